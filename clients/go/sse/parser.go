package sse

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"time"
)

// DefaultMaxEventBytes is the size of the largest event that a [Parser] accepts unless it is given another limit.
const DefaultMaxEventBytes = 16 << 20

const readBytes = 32 << 10

// A Block is what an empty line ends: an event, or only a new last event ID.
type Block struct {
	// ID is the last event ID as of this block: its own, or that of an earlier block of the response.
	ID string
	// HasID says whether the block has an ID of its own, which may be empty.
	HasID bool
	// Type is the name of the event; "message" if the block names none.
	Type string
	// Data is the lines of the data, joined by LF.
	Data string
	// HasData is false for a block that dispatches no event.
	HasData bool
}

// A TooLargeError says that an event exceeds the limit. Reading it again does not help.
type TooLargeError struct {
	// Limit is in bytes.
	Limit int
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("an event is larger than %d bytes: raise the limit, or leave the event out with a filter", e.Limit)
}

// A Parser reads the blocks of one response (WHATWG HTML §9.2.6). It takes time and memory in proportion to what it
// reads, wherever the response is split, and ends a line at a lone CR without waiting for the next byte.
type Parser struct {
	// Comment, if it is set, receives each comment without its colon.
	Comment func(text string)

	reader io.Reader
	limit  int

	chunk         []byte // storage for reads
	rest          []byte // bytes of chunk that are not parsed yet
	line          []byte // an incomplete line
	bom           int    // bytes of a byte order mark at the start of the response that have matched; -1: past the start
	afterCR, skip bool

	retry    time.Duration
	hasRetry bool

	idBuffer  string
	block     Block
	data      []byte
	blockSize int
}

// NewParser reads from reader. lastEventID is the ID of blocks before the first that has one. A limit of 0 is
// [DefaultMaxEventBytes].
func NewParser(reader io.Reader, lastEventID string, limit int) *Parser {
	if limit <= 0 {
		limit = DefaultMaxEventBytes
	}
	return &Parser{reader: reader, limit: limit, chunk: make([]byte, readBytes), idBuffer: lastEventID}
}

// Retry is the newest valid reconnection time, also from a block that is not complete; false if there was none.
func (p *Parser) Retry() (time.Duration, bool) { return p.retry, p.hasRetry }

// Next returns the next complete block. Errors: those of the reader, such as [io.EOF], and [*TooLargeError]. A block
// that the end of the response cuts off is dropped.
func (p *Parser) Next() (Block, error) {
	for {
		for len(p.rest) > 0 {
			block, complete, err := p.step()
			if complete || err != nil {
				return block, err
			}
		}
		n, err := p.reader.Read(p.chunk)
		p.rest = p.chunk[:n]
		if n == 0 && err != nil {
			return Block{}, err
		}
	}
}

var byteOrderMark = []byte("\xEF\xBB\xBF")

// step consumes at least one byte of the rest, and at most one line.
func (p *Parser) step() (Block, bool, error) {
	if p.bom >= 0 && p.startsWithMark() {
		return Block{}, false, nil
	}
	if p.afterCR {
		p.afterCR = false
		if p.rest[0] == '\n' {
			p.rest = p.rest[1:]
			return Block{}, false, nil
		}
	}
	end := bytes.IndexAny(p.rest, "\r\n")
	part := p.rest
	if end >= 0 {
		part = p.rest[:end]
	}
	if err := p.add(part); err != nil {
		return Block{}, false, err
	}
	if end < 0 {
		p.rest = nil
		return Block{}, false, nil
	}
	p.afterCR = p.rest[end] == '\r'
	p.rest = p.rest[end+1:]
	line := p.line
	p.line = p.line[:0]
	if p.skip {
		p.skip = false
		return Block{}, false, nil
	}
	if len(line) == 0 {
		block, complete := p.dispatch()
		return block, complete, nil
	}
	return Block{}, false, p.field(line)
}

// startsWithMark says whether the next byte belongs to a byte order mark, which it then consumes.
func (p *Parser) startsWithMark() bool {
	if p.rest[0] == byteOrderMark[p.bom] {
		p.rest = p.rest[1:]
		if p.bom++; p.bom == len(byteOrderMark) {
			p.bom = -1
		}
		return true
	}
	p.line = append(p.line, byteOrderMark[:p.bom]...)
	p.bom = -1
	return false
}

// add appends to the incomplete line. Of comments that nobody wants nothing is kept.
func (p *Parser) add(part []byte) error {
	if p.skip {
		return nil
	}
	if p.Comment == nil && len(p.line) == 0 && len(part) > 0 && part[0] == ':' {
		p.skip = true
		return nil
	}
	if p.blockSize+len(p.line)+len(part) > p.limit {
		return &TooLargeError{Limit: p.limit}
	}
	p.line = append(p.line, part...)
	return nil
}

func (p *Parser) field(line []byte) error {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "":
		if p.Comment != nil {
			p.Comment(decode(value))
		}
		return nil
	case "data":
		p.data = append(append(p.data, value...), '\n')
		p.block.HasData = true
		p.blockSize += len(value) + 1
	case "event":
		p.block.Type = decode(value)
	case "id":
		if bytes.IndexByte(value, 0) < 0 {
			p.idBuffer = decode(value)
			p.block.HasID = true
		}
	case "retry":
		if retry, valid := parseRetry(value); valid {
			p.retry, p.hasRetry = retry, true
		}
	}
	return nil
}

// dispatch ends the block. One that has neither data nor an ID is none.
func (p *Parser) dispatch() (Block, bool) {
	block := p.block
	block.ID = p.idBuffer
	if block.Type == "" {
		block.Type = "message"
	}
	if block.HasData {
		block.Data = decode(p.data[:len(p.data)-1])
	}
	p.block, p.blockSize = Block{}, 0
	p.data = p.data[:0]
	if cap(p.data) > 4*readBytes {
		p.data = nil
	}
	if cap(p.line) > 4*readBytes {
		p.line = nil
	}
	return block, block.HasData || block.HasID
}

// parseRetry accepts ASCII digits only. A number that does not fit is the largest duration.
func parseRetry(value []byte) (time.Duration, bool) {
	if len(value) == 0 {
		return 0, false
	}
	var ms int64
	for _, digit := range value {
		if digit < '0' || digit > '9' {
			return 0, false
		}
		if ms < math.MaxInt64/int64(time.Millisecond)/10-1 {
			ms = ms*10 + int64(digit-'0')
		} else {
			ms = math.MaxInt64 / int64(time.Millisecond)
		}
	}
	return time.Duration(min(ms, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond, true
}
