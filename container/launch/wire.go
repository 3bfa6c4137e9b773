package launch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/go-json-experiment/json"
	jsonv1 "github.com/go-json-experiment/json/v1"
	"golang.org/x/sys/unix"
)

// MaxFrame bounds a frame: some 20 000 jobs in one answer.
const MaxFrame = 16 << 20

// maxRequest bounds what an allowed peer can make a root process read.
const maxRequest = 2 << 20

type verb string

const (
	verbDo     verb = "do"
	verbStatus verb = "status"
	verbJobs   verb = "jobs"
	verbReap   verb = "reap"
	verbGrant  verb = "grant"
)

type request struct {
	Verb  verb   `json:"verb"`
	Grant Signed `json:"grant,omitempty"`
	Order Order  `json:"order,omitzero"`
	Job   string `json:"job,omitzero"`
	Wish  *Wish  `json:"wish,omitempty"`
}

type reply struct {
	Kind   string   `json:"kind,omitzero"` // of the error
	Error  string   `json:"error,omitzero"`
	Status Status   `json:"status,omitzero"`
	Jobs   []Status `json:"jobs,omitempty"`
	Files  []File   `json:"files,omitempty"`
	Opened bool     `json:"opened,omitzero"` // a descriptor came along
	Grant  Signed   `json:"grant,omitempty"`
}

// kinds is how the sentinels cross the wire. It only grows.
var kinds = map[string]error{"refused": ErrRefused, "forbidden": ErrForbidden, "no-job": ErrNoJob, "conflict": ErrConflict, "path": ErrPath}

func kindOf(err error) string {
	for kind, sentinel := range kinds {
		if errors.Is(err, sentinel) {
			return kind
		}
	}
	return "failed"
}

// remoteError is the launcher's own text, found under its sentinel.
type remoteError struct{ kind, text string }

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return kinds[e.kind] }

// writeFrame sends v, and f's descriptor with its first bytes.
func writeFrame(c *net.UnixConn, v any, f *os.File) error {
	body, err := json.Marshal(v, jsonv1.FormatDurationAsNano(true))
	if err != nil {
		return err
	}
	if len(body) > MaxFrame {
		return fmt.Errorf("a frame of %d bytes: at most %d", len(body), MaxFrame)
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	if f == nil {
		_, err = c.Write(append(head, body...))
		return err
	}
	if _, _, err := c.WriteMsgUnix(head, unix.UnixRights(int(f.Fd())), nil); err != nil {
		return err
	}
	_, err = c.Write(body)
	return err
}

// readFrame receives into v. The file is the descriptor that came along, if
// any; the caller owns it.
func readFrame(c *net.UnixConn, v any, limit int) (*os.File, error) {
	head := make([]byte, 4)
	oob := make([]byte, unix.CmsgSpace(4))
	n, oobn, flags, _, err := c.ReadMsgUnix(head, oob)
	if err != nil {
		return nil, err
	}
	f, err := received(oob[:oobn], flags)
	if err != nil {
		return nil, err
	}
	if err := readBody(c, head, n, v, limit); err != nil {
		if f != nil {
			_ = f.Close()
		}
		return nil, err
	}
	return f, nil
}

func readBody(r io.Reader, head []byte, have int, v any, limit int) error {
	if _, err := io.ReadFull(r, head[have:]); err != nil {
		return err
	}
	size := int(binary.BigEndian.Uint32(head))
	if size > limit {
		return fmt.Errorf("a frame of %d bytes: at most %d", size, limit)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		return err
	}
	return json.Unmarshal(body, v, json.RejectUnknownMembers(true), jsonv1.FormatDurationAsNano(true))
}

func received(oob []byte, flags int) (*os.File, error) {
	if flags&unix.MSG_CTRUNC != 0 {
		return nil, errors.New("more descriptors than expected")
	}
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			continue
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "sandbox file"))
		}
	}
	if len(files) > 1 {
		for _, f := range files {
			_ = f.Close()
		}
		return nil, errors.New("more descriptors than expected")
	}
	if len(files) == 0 {
		return nil, nil
	}
	return files[0], nil
}
