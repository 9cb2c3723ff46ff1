package main

import (
	"fmt"
	"io/fs"
	"syscall"
)

// inode names the file itself, which its other names share.
func inode(found fs.FileInfo) string {
	stat := found.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}
