package sluice

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// largestCursorFile is generous: an event id has at most 64 bytes.
const largestCursorFile = 1 << 10

// A FileCursor is a [CursorStore] in a file of mode 0600. It replaces the file as a whole and waits until the disk has
// it, so that a crash leaves the old cursor or the new one. That takes some 5 ms an event: for a faster stream
// see [CursorStore]. The value is the path. Two feeds need two files.
type FileCursor string

// Load implements [CursorStore]. A file that does not exist is an empty cursor; one that holds no event id is an error.
func (c FileCursor) Load(context.Context) (string, error) {
	file, err := os.Open(string(c))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, largestCursorFile+1))
	if err != nil {
		return "", err
	}
	id := strings.TrimSuffix(string(content), "\n")
	if id == "" || len(content) > largestCursorFile || strings.ContainsAny(id, "\x00\r\n") {
		return "", fmt.Errorf("sluice: %s holds no cursor: remove it to start anew", string(c))
	}
	return id, nil
}

// Store implements [CursorStore].
func (c FileCursor) Store(_ context.Context, id string) (err error) {
	folder, name := filepath.Split(string(c))
	if folder == "" {
		folder = "."
	}
	if id == "" {
		if err := os.Remove(string(c)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	// CreateTemp uses the mode 0600.
	file, err := os.CreateTemp(folder, name+".*.new")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	_, err = file.WriteString(id + "\n")
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(file.Name(), string(c))
	}
	return err
}
