package sse

import (
	"strings"
	"unicode/utf8"
)

// decode is the "UTF-8 decode" of the Encoding standard, but for the byte order mark: each maximal part of an invalid
// sequence becomes one U+FFFD.
func decode(text []byte) string {
	if utf8.Valid(text) {
		return string(text)
	}
	var valid strings.Builder
	valid.Grow(len(text))
	for len(text) > 0 {
		letter, size := utf8.DecodeRune(text)
		if letter == utf8.RuneError && size <= 1 {
			size = invalidPart(text)
		}
		valid.WriteRune(letter)
		text = text[size:]
	}
	return valid.String()
}

// invalidPart is the length of the longest beginning that could have become a character, at least 1.
func invalidPart(text []byte) int {
	lowest, highest, length := byte(0x80), byte(0xBF), 0
	switch first := text[0]; {
	case first >= 0xC2 && first <= 0xDF:
		length = 2
	case first >= 0xE0 && first <= 0xEF:
		length = 3
		switch first {
		case 0xE0:
			lowest = 0xA0
		case 0xED:
			highest = 0x9F
		}
	case first >= 0xF0 && first <= 0xF4:
		length = 4
		switch first {
		case 0xF0:
			lowest = 0x90
		case 0xF4:
			highest = 0x8F
		}
	default:
		return 1
	}
	for at := 1; at < length; at++ {
		if at == len(text) || text[at] < lowest || text[at] > highest {
			return at
		}
		lowest, highest = 0x80, 0xBF
	}
	return length
}
