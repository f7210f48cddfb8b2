package canon

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Digests are stored for ever, so no form may change.
func TestForms(t *testing.T) {
	empty := ""
	for name, tc := range map[string]struct {
		write func(b *Buffer)
		want  string
	}{
		"raw":             {func(b *Buffer) { b.Raw([]byte("ab")) }, "6162"},
		"element":         {func(b *Buffer) { b.Element(7, []byte("ab")) }, "07 00000002 6162"},
		"empty element":   {func(b *Buffer) { b.Element(7, nil) }, "07 00000000"},
		"bytes":           {func(b *Buffer) { b.Bytes(7, []byte{0, 1}) }, "07 00000002 0001"},
		"zero bytes":      {func(b *Buffer) { b.Bytes(7, []byte{0, 0}) }, ""},
		"text":            {func(b *Buffer) { b.Text(255, "é") }, "ff 00000002 c3a9"},
		"empty text":      {func(b *Buffer) { b.Text(7, "") }, ""},
		"optional":        {func(b *Buffer) { b.Optional(7, &empty) }, "07 00000000"},
		"no optional":     {func(b *Buffer) { b.Optional(7, nil) }, ""},
		"texts":           {func(b *Buffer) { b.Texts(7, []string{"a", "", "b"}) }, "07 00000001 61 07 00000000 07 00000001 62"},
		"int":             {func(b *Buffer) { b.Int(7, -2) }, "07 00000008 fffffffffffffffe"},
		"zero int":        {func(b *Buffer) { b.Int(7, 0) }, ""},
		"fixed":           {func(b *Buffer) { b.Fixed(7, 0) }, "07 00000008 0000000000000000"},
		"float":           {func(b *Buffer) { b.Float(7, 1.5) }, "07 00000008 3ff8000000000000"},
		"true":            {func(b *Buffer) { b.Bool(7, true) }, "07 00000008 0000000000000001"},
		"false":           {func(b *Buffer) { b.Bool(7, false) }, ""},
		"flag true":       {func(b *Buffer) { b.Flag(7, true) }, "07 00000001 01"},
		"flag false":      {func(b *Buffer) { b.Flag(7, false) }, "07 00000001 00"},
		"time":            {func(b *Buffer) { b.Time(7, time.UnixMicro(258).UTC()) }, "07 00000008 0000000000000102"},
		"before 1970":     {func(b *Buffer) { b.Time(7, time.UnixMicro(-1)) }, "07 00000008 ffffffffffffffff"},
		"zero time":       {func(b *Buffer) { b.Time(7, time.Time{}) }, ""},
		"nested elements": {func(b *Buffer) { at := b.Begin(1); in := b.Begin(2); b.Text(3, "x"); b.End(in); b.End(at) }, "01 0000000b 02 00000006 03 00000001 78"},
	} {
		t.Run(name, func(t *testing.T) {
			var b Buffer
			tc.write(&b)
			require.Equal(t, strings.ReplaceAll(tc.want, " ", ""), hex.EncodeToString(b.Encoded()))
		})
	}
}

func TestWipeLeavesNothing(t *testing.T) {
	for _, size := range []int{10, 2 * largest} {
		var b Buffer
		b.Raw(bytes.Repeat([]byte("s"), size))
		b.Reset()
		b.Raw([]byte("short"))
		memory := b.buf[:cap(b.buf)]
		b.Wipe()
		require.Empty(t, b.Encoded())
		require.Equal(t, make([]byte, len(memory)), memory)
		require.Equal(t, size > largest, b.buf == nil)
	}
}
