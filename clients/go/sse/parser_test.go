package sse

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func parseAll(reader io.Reader, limit int) ([]Block, error) {
	parser := NewParser(reader, "", limit)
	var blocks []Block
	for {
		block, err := parser.Next()
		if err == io.EOF {
			return blocks, nil
		}
		if err != nil {
			return blocks, err
		}
		blocks = append(blocks, block)
	}
}

// A lone CR ends a line, and so a block, before the next byte is there.
func TestParserDoesNotWaitAfterCR(t *testing.T) {
	reader, writer := io.Pipe()
	defer writer.Close()
	got := make(chan Block, 1)
	go func() {
		block, _ := NewParser(reader, "", 0).Next()
		got <- block
	}()
	if _, err := writer.Write([]byte("data: now\r\r")); err != nil {
		t.Fatal(err)
	}
	select {
	case block := <-got:
		if block.Data != "now" {
			t.Errorf("data %q", block.Data)
		}
	case <-time.After(patience):
		t.Error("the parser waits for a byte after CR")
	}
}

func TestParserDecodesInvalidUTF8AsTheEncodingStandardSays(t *testing.T) {
	cases := map[string]string{
		"\xE2\x82":         "\uFFFD",             // a cut character
		"\xE2\x82a":        "\uFFFDa",            // ended by another one
		"\xF0\x9D\x84":     "\uFFFD",             // a cut character of four bytes
		"\xED\xA0\x80":     "\uFFFD\uFFFD\uFFFD", // a surrogate
		"\xC0\xAF":         "\uFFFD\uFFFD",       // an overlong form
		"\xF5\x80":         "\uFFFD\uFFFD",       // beyond Unicode
		"\x80":             "\uFFFD",             // a continuation without a start
		"a\uFFFDb":         "a\uFFFDb",           // the character itself
		"\xF0\x9D\x84\x9E": "𝄞",
	}
	for text, want := range cases {
		if got := decode([]byte(text)); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestParserLimitsWhatItHolds(t *testing.T) {
	long := strings.Repeat("x", 2_000)
	cases := map[string]struct {
		stream string
		fits   bool
	}{
		"one line":            {"data: " + long + "\n\n", false},
		"a line without end":  {"data: " + long, false},
		"several lines":       {strings.Repeat("data: "+long[:400]+"\n", 3) + "\n", false},
		"a name":              {"event: " + long + "\n\n", false},
		"comments in between": {strings.Repeat(":"+long+"\ndata: a\n", 3) + "\n", true},
		"a comment":           {":" + long + long + "\ndata: a\n\n", true},
		"many blocks":         {strings.Repeat("data: "+long[:500]+"\n\n", 10), true},
	}
	for name, each := range cases {
		for _, reader := range []io.Reader{strings.NewReader(each.stream), iotest.OneByteReader(strings.NewReader(each.stream))} {
			_, err := parseAll(reader, 1_000)
			tooLarge := (*TooLargeError)(nil)
			if each.fits != (err == nil) || !each.fits && (!errors.As(err, &tooLarge) || tooLarge.Limit != 1_000) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestParserReadsReconnectionTimes(t *testing.T) {
	cases := map[string]string{
		"retry: 250\n":          "250ms true",
		"retry: 1\nretry: x\n":  "1ms true",
		"retry: -1\n":           "0s false",
		"retry: 1e3\n":          "0s false",
		"retry:\n":              "0s false",
		"retry: ٣\n":            "0s false",
		"retry: 0\n":            "0s true",
		"retry: 00000000010\n":  "10ms true",
		"retry: 9223372036855":  "0s false", // not complete
		"retry: 300000\ndata: ": "5m0s true",
	}
	for stream, want := range cases {
		parser := NewParser(strings.NewReader(stream), "", 0)
		_, _ = parser.Next()
		retry, sent := parser.Retry()
		if got := fmt.Sprint(retry, sent); got != want {
			t.Errorf("%q: %s, want %s", stream, got, want)
		}
	}
	parser := NewParser(strings.NewReader("retry: "+strings.Repeat("9", 400)+"\n"), "", 0)
	_, _ = parser.Next()
	if retry, _ := parser.Retry(); retry < 24*365*time.Hour {
		t.Errorf("a huge time became %s", retry)
	}
}

// However a stream is split, and whatever it contains: the same blocks, and no more than the stream.
func FuzzParser(f *testing.F) {
	f.Add([]byte("id: 1\nevent: a\ndata: x\r\ndata: y\r\rdata\n\n"), 3)
	f.Add([]byte("\xEF\xBB\xBFretry: 10\nid\n\nid: a\x00b\ndata:  é\n\n"), 1)
	f.Add([]byte("\xEF\xBBdata: \xF0\x9D\n\n: c\n\r\n\r"), 2)
	f.Fuzz(func(t *testing.T, stream []byte, size int) {
		whole, err := parseAll(strings.NewReader(string(stream)), 64)
		split, splitErr := parseAll(&chunks{stream, max(1, min(size, 100))}, 64)
		if !reflect.DeepEqual(whole, split) || fmt.Sprint(err) != fmt.Sprint(splitErr) {
			t.Fatalf("%q in chunks of %d: %v %v, want %v %v", stream, size, split, splitErr, whole, err)
		}
		for _, block := range whole {
			if strings.ContainsAny(block.ID+block.Type, "\r\n\x00") && !strings.Contains(block.Type, "\x00") {
				t.Fatalf("%q: %+v contains the end of a line", stream, block)
			}
			// A character that cannot be decoded takes one byte and becomes three.
			if len(block.Data) > 3*len(stream) {
				t.Fatalf("%q became longer: %q", stream, block.Data)
			}
		}
	})
}

type chunks struct {
	rest []byte
	size int
}

func (c *chunks) Read(into []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(into[:min(c.size, len(into))], c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// Twice as many bytes take about twice as long: this fails by its deadline, if a line is scanned again for each chunk.
func BenchmarkParser(b *testing.B) {
	stream := strings.Repeat("id: 1.abcdef\nevent: item.updated\ndata: {\"part_number\":\"A01-0002\",\"revision\":3}\n\n", 10_000)
	b.SetBytes(int64(len(stream)))
	for range b.N {
		if _, err := parseAll(strings.NewReader(stream), 0); err != nil {
			b.Fatal(err)
		}
	}
}
