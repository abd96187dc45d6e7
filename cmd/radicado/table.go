package main

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// shortTime is how tables show an instant, in Bogotá.
const shortTime = "2006-01-02 15:04"

func mark(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

// clip makes a text of outside fit for a cell of a terminal: one line, no
// control characters that would move the cursor, at most n characters.
func clip(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, s)
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// printable makes a text of several lines fit for a terminal.
func printable(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = clip(l, 1000)
	}
	return strings.Join(lines, "\n")
}
