package sluice_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice.example/client"
)

func TestFileCursorReplacesTheWholeFile(t *testing.T) {
	folder := t.TempDir()
	cursor := sluice.FileCursor(filepath.Join(folder, "feed.cursor"))
	if id, err := cursor.Load(limited(t)); id != "" || err != nil {
		t.Fatalf("before the first: %q, %v", id, err)
	}
	for _, id := range []string{"10532.k7f3qa", "7.aaaaaa", "8.bbbbbb"} {
		if err := cursor.Store(limited(t), id); err != nil {
			t.Fatal(err)
		}
		if loaded, err := cursor.Load(limited(t)); loaded != id || err != nil {
			t.Errorf("%q, %v instead of %q", loaded, err, id)
		}
	}
	status, err := os.Stat(string(cursor))
	if err != nil || status.Mode().Perm() != 0o600 {
		t.Error(status.Mode(), err)
	}
	if files, _ := os.ReadDir(folder); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
}

// A cursor that is lost silently is a gap that nobody notices.
func TestFileCursorRefusesWhatIsNoCursor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "feed.cursor")
	for _, content := range []string{"", "\n", "1.a\n2.b\n", "\x00\x00\x00", strings.Repeat("x", 2_000)} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if id, err := sluice.FileCursor(path).Load(limited(t)); err == nil {
			t.Errorf("%q was taken for %q", content, id)
		}
	}
}

func TestFileCursorLeavesNothingIfItCannotWrite(t *testing.T) {
	folder := t.TempDir()
	if err := os.MkdirAll(filepath.Join(folder, "feed.cursor", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"feed.cursor", "missing/feed.cursor"} {
		if err := sluice.FileCursor(filepath.Join(folder, path)).Store(limited(t), "1.a"); err == nil {
			t.Errorf("stored in %s", path)
		}
	}
	if files, _ := os.ReadDir(folder); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
}
