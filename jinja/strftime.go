package jinja

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// strftime formats a time as Python's datetime.strftime does with glibc in the C locale. The reference's times have no
// zone, so %z and %Z give nothing.
func strftime(t time.Time, layout string) string {
	var b strings.Builder
	for i := 0; i < len(layout); i++ {
		if layout[i] != '%' || i+1 == len(layout) {
			b.WriteByte(layout[i])
			continue
		}
		start := i
		i++
		flag := byte(0)
		if strings.IndexByte("-_0^#", layout[i]) >= 0 && i+1 < len(layout) {
			flag = layout[i]
			i++
		}
		s, pad, ok := directive(t, layout[i])
		if !ok {
			b.WriteString(layout[start : i+1])
			continue
		}
		switch flag {
		case '-':
			pad = 0
		case '_':
			if pad != 0 {
				pad = -max(pad, -pad)
			}
		case '0':
			pad = max(pad, -pad)
		case '^':
			s = strings.ToUpper(s)
		case '#':
			s = swapCase(s)
		}
		fill := "0"
		if pad < 0 {
			fill, pad = " ", -pad
		}
		for n := len(s); n < pad; n++ {
			b.WriteString(fill)
		}
		b.WriteString(s)
	}
	return b.String()
}

// directive returns a directive's text without padding, and the width it is padded to: with zeros, or with blanks when
// negative. It is false for unknown ones.
func directive(t time.Time, d byte) (string, int, bool) {
	hour12 := (t.Hour()+11)%12 + 1
	num := func(n, pad int) (string, int, bool) { return strconv.Itoa(n), pad, true }
	text := func(layout string) (string, int, bool) { return t.Format(layout), 0, true }
	switch d {
	case 'a':
		return text("Mon")
	case 'A':
		return text("Monday")
	case 'b', 'h':
		return text("Jan")
	case 'B':
		return text("January")
	case 'c':
		return text("Mon Jan _2 15:04:05 2006")
	case 'C':
		return num(t.Year()/100, 2)
	case 'd':
		return num(t.Day(), 2)
	case 'D', 'x':
		return text("01/02/06")
	case 'e':
		return num(t.Day(), -2)
	case 'f':
		return fmt.Sprintf("%06d", t.Nanosecond()/1000), 0, true
	case 'F':
		return text("2006-01-02")
	case 'g':
		y, _ := t.ISOWeek()
		return num(y%100, 2)
	case 'G':
		y, _ := t.ISOWeek()
		return num(y, 0)
	case 'H':
		return num(t.Hour(), 2)
	case 'I':
		return num(hour12, 2)
	case 'j':
		return num(t.YearDay(), 3)
	case 'k':
		return num(t.Hour(), -2)
	case 'l':
		return num(hour12, -2)
	case 'm':
		return num(int(t.Month()), 2)
	case 'M':
		return num(t.Minute(), 2)
	case 'n':
		return "\n", 0, true
	case 'p':
		return text("PM")
	case 'P':
		return text("pm")
	case 'r':
		return text("03:04:05 PM")
	case 'R':
		return text("15:04")
	case 's':
		return strconv.FormatInt(t.Unix(), 10), 0, true
	case 'S':
		return num(t.Second(), 2)
	case 't':
		return "\t", 0, true
	case 'T', 'X':
		return text("15:04:05")
	case 'u':
		return num((int(t.Weekday())+6)%7+1, 0)
	case 'U':
		return num((t.YearDay()+6-int(t.Weekday()))/7, 2)
	case 'V':
		_, w := t.ISOWeek()
		return num(w, 2)
	case 'w':
		return num(int(t.Weekday()), 0)
	case 'W':
		return num((t.YearDay()+6-(int(t.Weekday())+6)%7)/7, 2)
	case 'y':
		return num(t.Year()%100, 2)
	case 'Y':
		return num(t.Year(), 0)
	case 'z', 'Z':
		return "", 0, true
	case '%':
		return "%", 0, true
	}
	return "", 0, false
}
