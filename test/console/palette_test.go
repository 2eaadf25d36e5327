package console

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/png"
	"slices"
)

// shade is a colour of a picture, and how many of its pixels have it.
type shade struct {
	rgb   [3]uint8
	count int
}

// shrink writes a picture with a palette of 256 colours: those of a page are few, and most are shades at the edges of letters.
func shrink(picture []byte) ([]byte, error) {
	decoded, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		return nil, err
	}
	bounds := decoded.Bounds()
	counts := map[[3]uint8]int{}
	at := func(x, y int) [3]uint8 {
		r, g, b, _ := decoded.At(x, y).RGBA()
		return [3]uint8{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8)}
	}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			counts[at(x, y)]++
		}
	}
	var shades []shade
	for rgb, count := range counts {
		shades = append(shades, shade{rgb, count})
	}
	palette := paletteOf(shades)
	nearest := map[[3]uint8]uint8{}
	for rgb := range counts {
		nearest[rgb] = uint8(palette.Index(color.RGBA{rgb[0], rgb[1], rgb[2], 255}))
	}
	small := image.NewPaletted(bounds, palette)
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			small.SetColorIndex(x, y, nearest[at(x, y)])
		}
	}
	var out bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, small)
	return out.Bytes(), err
}

// flat is how many of the most frequent colours, those of areas, stay exactly as they are.
const flat = 24

// paletteOf returns at most 256 colours for shades: the most frequent ones, and the means of boxes of the others (median cut).
func paletteOf(shades []shade) color.Palette {
	slices.SortFunc(shades, func(a, b shade) int { return cmp.Or(b.count-a.count, slices.Compare(a.rgb[:], b.rgb[:])) })
	var palette color.Palette
	exact := min(flat, len(shades))
	for _, s := range shades[:exact] {
		palette = append(palette, color.RGBA{s.rgb[0], s.rgb[1], s.rgb[2], 255})
	}
	boxes := [][]shade{shades[exact:]}
	for len(boxes) < 256-exact {
		widest, width, channel := -1, 0, 0
		for i, box := range boxes {
			if w, c := spread(box); w > width {
				widest, width, channel = i, w, c
			}
		}
		if widest < 0 {
			break
		}
		box := boxes[widest]
		slices.SortFunc(box, func(a, b shade) int { return int(a.rgb[channel]) - int(b.rgb[channel]) })
		boxes[widest] = box[:len(box)/2]
		boxes = append(boxes, box[len(box)/2:])
	}
	for _, box := range boxes {
		if len(box) > 0 {
			palette = append(palette, mean(box))
		}
	}
	return palette
}

// spread returns how far the colours of a box are apart, and in which channel.
func spread(box []shade) (width, channel int) {
	for c := range 3 {
		least, most := 255, 0
		for _, s := range box {
			least, most = min(least, int(s.rgb[c])), max(most, int(s.rgb[c]))
		}
		if most-least > width {
			width, channel = most-least, c
		}
	}
	return width, channel
}

// mean returns the mean colour of the pixels of a box.
func mean(box []shade) color.Color {
	var sum [3]int
	pixels := 0
	for _, s := range box {
		pixels += s.count
		for c := range 3 {
			sum[c] += s.count * int(s.rgb[c])
		}
	}
	return color.RGBA{uint8(sum[0] / pixels), uint8(sum[1] / pixels), uint8(sum[2] / pixels), 255}
}
