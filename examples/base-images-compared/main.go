// survey says what the image around it has. It needs nothing of it, not even a C library.
package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	files, size := contents()
	fmt.Printf("size             %.1f MB\n", float64(size)/1e6)
	fmt.Printf("files            %d\n", files)
	fmt.Printf("system           %s\n", system())
	fmt.Printf("user             %d\n", os.Getuid())
	fmt.Printf("shell            %s\n", first("/bin/bash", "/bin/sh"))
	fmt.Printf("package manager  %s\n", first("/usr/bin/apt", "/sbin/apk", "/usr/bin/dnf"))
	fmt.Printf("packages         %d\n", packages())
	fmt.Printf("C library        %s\n", library())
	fmt.Printf("authorities      %s\n", first("/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem"))
	fmt.Printf("time zones       %s\n", first("/usr/share/zoneinfo/Europe/Berlin"))
	fmt.Printf("list of users    %s\n", first("/etc/passwd"))
	fmt.Printf("/tmp             %s\n", first("/tmp"))
}

// contents counts the files of the image and their bytes, without this program and what the engine mounts.
func contents() (files int, size int64) {
	mounted := map[string]bool{"/proc": true, "/sys": true, "/dev": true, "/survey": true, "/.dockerenv": true,
		"/etc/hosts": true, "/etc/hostname": true, "/etc/resolv.conf": true, "/run/.containerenv": true}
	counted := map[string]bool{}
	filepath.WalkDir("/", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || mounted[path] {
			if entry != nil && entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if found, err := entry.Info(); err == nil && found.Mode().IsRegular() {
			// A file with several names is one file.
			if same := inode(found); !counted[same] {
				counted[same] = true
				files++
				size += found.Size()
			}
		}
		return nil
	})
	return files, size
}

func system() string {
	release, _ := os.ReadFile("/etc/os-release")
	for line := range strings.Lines(string(release)) {
		if name, found := strings.CutPrefix(line, "PRETTY_NAME="); found {
			return strings.Trim(name, "\"\n")
		}
	}
	return "-"
}

// first returns the first of the paths that there is.
func first(paths ...string) string {
	for _, path := range paths {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return "-"
}

// packages counts what dpkg or apk has installed.
func packages() int {
	debian, _ := os.ReadFile("/var/lib/dpkg/status")
	parts, _ := filepath.Glob("/var/lib/dpkg/status.d/*")
	sums, _ := filepath.Glob("/var/lib/dpkg/status.d/*.md5sums")
	alpine, _ := os.ReadFile("/lib/apk/db/installed")
	return bytes.Count(debian, []byte("\nStatus: install ok installed\n")) + len(parts) - len(sums) +
		bytes.Count(alpine, []byte("P:"))
}

func library() string {
	for name, pattern := range map[string]string{"glibc": "/lib*/ld-linux*", "musl": "/lib/ld-musl*"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return name
		}
	}
	return "-"
}
