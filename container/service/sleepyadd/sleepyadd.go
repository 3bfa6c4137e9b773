// Package sleepyadd ships the sample service: it adds two numbers, slowly. It
// is a description and a POSIX shell script, carried within the program.
package sleepyadd

import (
	"embed"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gatehouse-authz/gatehouse/container/service"
)

// Name is the service's name, and that of its directory.
const Name = "sleepyAdd"

//go:embed service.yaml sleepyadd.sh
var files embed.FS

// Install writes the service into a new directory of its name below dir, the
// directory of services, and returns that directory with the digest to approve.
// It does not overwrite: an installed service is an administrator's.
func Install(dir string) (string, service.Digest, error) {
	target := filepath.Join(dir, Name)
	if err := os.Mkdir(target, 0o755); err != nil {
		return "", service.Digest{}, fmt.Errorf("install %s: %w", Name, err)
	}
	for name, mode := range map[string]os.FileMode{service.DescriptionFile: 0o644, "sleepyadd.sh": 0o755} {
		if err := write(filepath.Join(target, name), name, mode); err != nil {
			return "", service.Digest{}, fmt.Errorf("install %s: %w", Name, err)
		}
	}
	// The umask may have taken what the job's account needs.
	if err := os.Chmod(target, 0o755); err != nil {
		return "", service.Digest{}, fmt.Errorf("install %s: %w", Name, err)
	}
	deployed, err := service.Inspect(target, uint32(os.Geteuid()))
	if err != nil {
		return "", service.Digest{}, err
	}
	return target, deployed.Digest, nil
}

func write(path, name string, mode os.FileMode) error {
	data, err := files.ReadFile(name)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, data, mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}
