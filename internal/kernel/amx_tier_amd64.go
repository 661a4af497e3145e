package kernel

import (
	"slices"

	"golang.org/x/sys/cpu"
)

// amx is avx512VNNI with integer products of many rows on tile units (AMX).
var amx = func() table {
	t := avx512VNNI
	t.name, t.pack = "amx", &packAMX
	t.needs = append(slices.Clip(t.needs), need{"AVX512_VBMI", cpu.X86.HasAVX512VBMI}, need{"AMX-TILE", cpu.X86.HasAMXTile},
		need{"AMX-INT8", cpu.X86.HasAMXInt8}, need{"the system's permission to use AMX", tilesPermitted()})
	const tiles = 16 * 16 * 16 // products of tiles with one column, in a round of the loops below
	t.limits.i8 = func(n int) int { return rounds(n, tiles*32/2, peakI8AMX) }
	t.limits.tileI8 = func(n int) int { return rounds(n, tiles*64, peakTileI8AMX) }
	if cpu.X86.HasAMXBF16 {
		t.packHalf = packBF16Tiles
		t.limits.tileBF16 = func(n int) int { return rounds(n, tiles*32, peakTileBF16AMX) }
	}
	return t
}()

var packAMX = func() packKernels {
	p := packAVX512VNNI
	blocks := func(multiply tileKernel, widen blockWidener) manyWay {
		return &tileUnits{multiply: multiply, split: splitI8AMX, unit: 32, widen: widen, columns: 1024}
	}
	supers := func(multiply tileKernel, widen superWidener) manyWay {
		return &tileUnits{multiply: multiply, split: splitKAMX, unit: 64, widen: widen, columns: 512}
	}
	for a, many := range [arithmetics]manyWay{
		i8:  blocks(tileI8AMX, tileWideI8AMX),
		i8m: blocks(tileI8mAMX, tileWideI8mAMX),
		i4m: blocks(tileI8mAMX, tileWideI4AMX),
		k4:  supers(tileKmAMX, tileWideK4AMX),
		k5:  supers(tileKmAMX, tileWideK5AMX),
		k6:  supers(tileKAMX, tileWideK6AMX),
		c8:  &channelUnits{multiply: tileC8AMX, split: splitDigitsAMX},
	} {
		if many != nil {
			p.arithmetic[a].many = many
		}
	}
	return p
}()
