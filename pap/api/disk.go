package api

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/source"
	"github.com/go-json-experiment/json"
	"github.com/google/renameio/v2"
)

// disk is the file that a follower keeps its copy in: a line with the format's
// name and version, then frames. Each frame is a line with the SHA-256 and the
// length of its body and a CRC-32 of both, the body, and a line feed. The first holds everything, the
// others what came since, or only the time at which the PAP had nothing new. One
// ban thus costs one small write, and the file is made anew, at once and whole,
// when half of it is history.
//
// A frame cut off at the end of the file is one whose writing was interrupted;
// it was never reported as applied. Anything else wrong with a file condemns it.
type disk struct {
	path string
	log  *slog.Logger

	sound    bool      // the file holds all but what is in the call to keep
	whole    int64     // bytes of the first frame
	appended int64     // bytes of the others
	noted    time.Time // the last confirmation in it
	trouble  error     // guarded by the follower's mutex
}

const copyFormat = "gatehouse-copy 1\n"

// frame is one step of the copy.
type frame struct {
	Time time.Time   `json:"time"` // when the PAP confirmed it
	Set  *change.Set `json:"set,omitempty"`
}

// load returns the copy and when it was last confirmed, nil if there is none
// that is good. A damaged file is set aside under another name.
func (d *disk) load(now time.Time) (*source.Copy, time.Time, error) {
	f, err := os.Open(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.Stat(filepath.Dir(d.path))
		return nil, time.Time{}, err
	}
	if err != nil {
		return nil, time.Time{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, time.Time{}, err
	}
	kept, confirmed, err := d.read(f, info.Size())
	if err == nil && kept.Revision() != (authz.Revision{}) {
		if confirmed.After(now.Add(time.Minute)) {
			confirmed = time.Time{} // a clock was wrong: how old it is nobody knows
		}
		d.noted = confirmed
		return kept, confirmed, nil
	}
	d.sound = false
	aside := d.path + ".damaged"
	d.log.Error("the copy of the policies is damaged: it is set aside and fetched anew", "file", d.path, "aside", aside, "error", err)
	return nil, time.Time{}, os.Rename(d.path, aside)
}

// read reads a file of that size.
func (d *disk) read(from io.Reader, size int64) (*source.Copy, time.Time, error) {
	in := bufio.NewReaderSize(from, 1<<16)
	if line, err := in.ReadString('\n'); err != nil || line != copyFormat {
		return nil, time.Time{}, fmt.Errorf("begins with %q, not %q", clip(line), copyFormat)
	}
	kept, confirmed := &source.Copy{}, time.Time{}
	d.whole, d.appended, d.sound = 0, 0, true
	for {
		body, err := readFrame(in, size)
		switch {
		case errors.Is(err, io.EOF):
			return kept, confirmed, nil
		case errors.Is(err, io.ErrUnexpectedEOF) && d.whole > 0:
			d.log.Warn("the last step of the copy of the policies was not written to its end", "file", d.path)
			d.sound = false
			return kept, confirmed, nil
		case err != nil:
			return nil, time.Time{}, err
		}
		if confirmed, err = d.step(kept, body); err != nil {
			return nil, time.Time{}, err
		}
	}
}

// readFrame returns the body of the next frame; io.EOF behind the last one, and
// io.ErrUnexpectedEOF if the file ends within it.
func readFrame(in *bufio.Reader, most int64) ([]byte, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		if line != "" {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	sum, length, err := readHead(line)
	if err != nil {
		return nil, err
	}
	if length > most {
		return nil, io.ErrUnexpectedEOF
	}
	body := make([]byte, length+1)
	if _, err := io.ReadFull(in, body); err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	if got := sha256.Sum256(body[:length]); !bytes.Equal(got[:], sum) || body[length] != '\n' {
		return nil, fmt.Errorf("the checksum of %d bytes does not fit", length)
	}
	return body[:length], nil
}

// readHead reads the head of a frame. It has a checksum of its own: a length
// that is wrong must not make what follows look as if it had never been written.
func readHead(line string) (sum []byte, length int64, err error) {
	var check uint32
	n, err := fmt.Sscanf(line, "%x %d %x\n", &sum, &length, &check)
	if n != 3 || err != nil || length < 0 || line != head(sum, length) {
		return nil, 0, fmt.Errorf("%q is no head of a step", clip(line))
	}
	return sum, length, nil
}

func head(sum []byte, length int64) string {
	s := fmt.Sprintf("%x %d", sum, length)
	return fmt.Sprintf("%s %08x\n", s, crc32.ChecksumIEEE([]byte(s)))
}

// step applies one frame.
func (d *disk) step(kept *source.Copy, body []byte) (time.Time, error) {
	var f frame
	if err := strict(body, &f); err != nil {
		return time.Time{}, err
	}
	if d.whole == 0 {
		if f.Set == nil || !f.Set.Whole {
			return time.Time{}, errors.New("the first step is not the whole")
		}
		d.whole = int64(len(body))
	} else {
		d.appended += int64(len(body))
	}
	if f.Set == nil {
		return f.Time, nil
	}
	_, err := kept.Apply(*f.Set)
	return f.Time, err
}

// noteEvery is how often a confirmation alone is written down: a copy is at
// most that much younger than its file says.
const noteEvery = time.Minute

// slack is how much history a file may have beside half of its content.
const slack = 1 << 20

// keep brings the file up to the copy, where fresh is what came since the last
// time. When it returns nil with anything fresh, that is on stable storage.
func (d *disk) keep(copy *source.Copy, fresh []change.Set, confirmed time.Time) error {
	switch {
	case copy.Revision() == (authz.Revision{}):
		return nil // nothing good to keep; what is there is no worse
	case !d.sound || d.appended > d.whole/2+slack || len(fresh) > 0 && fresh[0].Whole:
		return d.rewrite(copy, confirmed)
	case len(fresh) == 0 && confirmed.Sub(d.noted) < noteEvery:
		return nil
	}
	var out bytes.Buffer
	for i := range fresh {
		if err := writeFrame(&out, frame{Time: confirmed, Set: &fresh[i]}); err != nil {
			return err
		}
	}
	if len(fresh) == 0 {
		if err := writeFrame(&out, frame{Time: confirmed}); err != nil {
			return err
		}
	}
	if err := d.append(out.Bytes()); err != nil {
		d.log.Warn("the copy of the policies cannot be continued: it is written anew", "file", d.path, "error", err)
		return d.rewrite(copy, confirmed)
	}
	d.noted = confirmed
	return nil
}

func writeFrame(out *bytes.Buffer, f frame) error {
	body, err := json.Marshal(f)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	out.WriteString(head(sum[:], int64(len(body))))
	out.Write(body)
	return out.WriteByte('\n')
}

// append adds to the file. After a failure it may hold a part: it is not sound.
func (d *disk) append(data []byte) error {
	d.sound = false
	f, err := os.OpenFile(d.path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	d.appended += int64(len(data))
	d.sound = true
	return nil
}

// rewrite replaces the file by one that holds the copy alone.
func (d *disk) rewrite(copy *source.Copy, confirmed time.Time) error {
	d.sound = false
	whole := copy.Whole()
	var out bytes.Buffer
	out.WriteString(copyFormat)
	if err := writeFrame(&out, frame{Time: confirmed, Set: &whole}); err != nil {
		return err
	}
	if err := renameio.WriteFile(d.path, out.Bytes(), 0o600, renameio.WithStaticPermissions(0o600), renameio.WithTempDir(filepath.Dir(d.path))); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(d.path)); err != nil {
		return err
	}
	d.whole, d.appended, d.noted, d.sound = int64(out.Len()), 0, confirmed, true
	return nil
}

// syncDir makes a rename last.
func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
