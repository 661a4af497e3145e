package arm64

import (
	"fmt"
	"strings"
)

// encoding is the code of an instruction whose registers and numbers are all 0.
type encoding struct {
	code uint32
	// number returns the bits of the number in the place of #; nil: there is none.
	number func(n int) uint32
}

// encodings are the instructions on vectors, as GNU as writes them with ? for the registers, destination first, whose
// numbers are in the bits from 0, 5 and 16 on, and # for a number (Arm Architecture Reference Manual for A-profile,
// section C7.2).
var encodings = map[string]encoding{
	"ldr q?, [x?, #]": {0x3DC00000, offset(16)},
	"str q?, [x?, #]": {0x3D800000, offset(16)},
	"ldr d?, [x?, #]": {0xFD400000, offset(8)},
	"str d?, [x?, #]": {0xFD000000, offset(8)},
	"ldr s?, [x?, #]": {0xBD400000, offset(4)},
	"str s?, [x?, #]": {0xBD000000, offset(4)},
	"str h?, [x?, #]": {0x7D000000, offset(2)},

	"ld1 {v?.d}[1], [x?]": {0x4D408400, nil},
	"ld1r {v?.4s}, [x?]":  {0x4D40C800, nil},

	"ld1r {v?.4s}, [x?], #4": {0x4DDFC800, nil},

	"movi v?.16b, #":                {0x4F00E400, func(n int) uint32 { return uint32(n>>5&7<<16 | n&31<<5) }},
	"dup v?.4s, v?.s[0]":            {0x4E040400, nil},
	"fmov w?, s?":                   {0x1E260000, nil},
	"and v?.16b, v?.16b, v?.16b":    {0x4E201C00, nil},
	"bic v?.16b, v?.16b, v?.16b":    {0x4E601C00, nil},
	"eor v?.16b, v?.16b, v?.16b":    {0x6E201C00, nil},
	"orr v?.16b, v?.16b, v?.16b":    {0x4EA01C00, nil},
	"ext v?.16b, v?.16b, v?.16b, #": {0x6E000000, func(n int) uint32 { return uint32(n << 11) }},

	"zip1 v?.8h, v?.8h, v?.8h":    {0x4E403800, nil},
	"zip2 v?.8h, v?.8h, v?.8h":    {0x4E407800, nil},
	"zip1 v?.4s, v?.4s, v?.4s":    {0x4E803800, nil},
	"zip2 v?.4s, v?.4s, v?.4s":    {0x4E807800, nil},
	"zip1 v?.2d, v?.2d, v?.2d":    {0x4EC03800, nil},
	"zip2 v?.2d, v?.2d, v?.2d":    {0x4EC07800, nil},
	"uzp1 v?.16b, v?.16b, v?.16b": {0x4E001800, nil},
	"uzp2 v?.16b, v?.16b, v?.16b": {0x4E005800, nil},

	"fadd v?.4s, v?.4s, v?.4s":  {0x4E20D400, nil},
	"fsub v?.4s, v?.4s, v?.4s":  {0x4EA0D400, nil},
	"fmul v?.4s, v?.4s, v?.4s":  {0x6E20DC00, nil},
	"fdiv v?.4s, v?.4s, v?.4s":  {0x6E20FC00, nil},
	"fmla v?.4s, v?.4s, v?.4s":  {0x4E20CC00, nil},
	"fmls v?.4s, v?.4s, v?.4s":  {0x4EA0CC00, nil},
	"fmax v?.4s, v?.4s, v?.4s":  {0x4E20F400, nil},
	"fmin v?.4s, v?.4s, v?.4s":  {0x4EA0F400, nil},
	"fneg v?.4s, v?.4s":         {0x6EA0F800, nil},
	"fabs v?.4s, v?.4s":         {0x4EA0F800, nil},
	"fcmgt v?.4s, v?.4s, v?.4s": {0x6EA0E400, nil},
	"fmaxv s?, v?.4s":           {0x6E30F800, nil},
	"faddp s?, v?.2s":           {0x7E30D800, nil},
	"fadd v?.2d, v?.2d, v?.2d":  {0x4E60D400, nil},
	"fmla v?.2d, v?.2d, v?.2d":  {0x4E60CC00, nil},
	"faddp d?, v?.2d":           {0x7E70D800, nil},

	"scvtf v?.4s, v?.4s":      {0x4E21D800, nil},
	"fcvtns v?.4s, v?.4s":     {0x4E21A800, nil},
	"fcvtl v?.4s, v?.4h":      {0x0E217800, nil},
	"fcvtl2 v?.4s, v?.8h":     {0x4E217800, nil},
	"fcvtl v?.2d, v?.2s":      {0x0E617800, nil},
	"fcvtl2 v?.2d, v?.4s":     {0x4E617800, nil},
	"fcvtn v?.4h, v?.4s":      {0x0E216800, nil},
	"fcvtn2 v?.8h, v?.4s":     {0x4E216800, nil},
	"shll v?.4s, v?.4h, #16":  {0x2E613800, nil},
	"shll2 v?.4s, v?.8h, #16": {0x6E613800, nil},
	"sxtl v?.8h, v?.8b":       {0x0F08A400, nil},
	"sxtl v?.4s, v?.4h":       {0x0F10A400, nil},
	"sxtl2 v?.4s, v?.8h":      {0x4F10A400, nil},
	"sqxtn v?.4h, v?.4s":      {0x0E614800, nil},
	"sqxtn2 v?.8h, v?.4s":     {0x4E614800, nil},

	"add v?.4s, v?.4s, v?.4s":  {0x4EA08400, nil},
	"add v?.8h, v?.8h, v?.8h":  {0x4E608400, nil},
	"sub v?.4s, v?.4s, v?.4s":  {0x6EA08400, nil},
	"mla v?.4s, v?.4s, v?.4s":  {0x4EA09400, nil},
	"umax v?.4s, v?.4s, v?.4s": {0x6EA06400, nil},
	"umaxv s?, v?.4s":          {0x6EB0A800, nil},
	"addv s?, v?.4s":           {0x4EB1B800, nil},
	"shl v?.4s, v?.4s, #":      {0x4F205400, func(n int) uint32 { return uint32(n << 16) }},
	"ushr v?.16b, v?.16b, #4":  {0x6F0C0400, nil},

	// Products of bytes, four in each lane, FEAT_DotProd; and of two by two rows of eight, FEAT_I8MM.
	"sdot v?.4s, v?.16b, v?.16b":   {0x4E809400, nil},
	"sdot v?.4s, v?.16b, v?.4b[#]": {0x4F80E000, func(n int) uint32 { return uint32(n&1<<21 | n>>1<<11) }},
	"smmla v?.4s, v?.16b, v?.16b":  {0x4E80A400, nil},
	"usmmla v?.4s, v?.16b, v?.16b": {0x4E80AC00, nil},
}

// offset is the number of an address that counts in units of so many bytes.
func offset(unit int) func(n int) uint32 {
	return func(n int) uint32 {
		if n%unit != 0 || n/unit < 0 || n/unit >= 1<<12 {
			panic(fmt.Sprintf("arm64: no offset of %d bytes", n))
		}
		return uint32(n / unit << 10)
	}
}

// assemble returns the code of an instruction and what GNU as calls it.
func assemble(form string, operands ...any) (code uint32, text string) {
	e, ok := encodings[form]
	if !ok {
		panic(fmt.Sprintf("arm64: instruction %q is not in the table", form))
	}
	code = e.code
	registers := []int{0, 5, 16}
	var out strings.Builder
	for _, c := range form {
		switch {
		case c == '?':
			number := 0
			switch r := operands[0].(type) {
			case V:
				number = int(r)
			case R:
				number = int(r)
			default:
				panic(fmt.Sprintf("arm64: %s with %v for a register", form, r))
			}
			code |= uint32(number) << registers[0]
			operands, registers = operands[1:], registers[1:]
			fmt.Fprint(&out, number)
		case c == '#' && e.number != nil:
			n := operands[0].(int)
			code |= e.number(n)
			operands = operands[1:]
			if strings.HasSuffix(out.String(), "[") {
				fmt.Fprint(&out, n) // an index
			} else {
				fmt.Fprintf(&out, "#%d", n)
			}
		default:
			out.WriteRune(c)
		}
	}
	if len(operands) > 0 {
		panic(fmt.Sprintf("arm64: %s with operands left", form))
	}
	return code, out.String()
}
