package console

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"testing"
)

// A picture of two areas and a slope between them keeps the areas exactly, and nothing is far from what it was.
func TestShrink(t *testing.T) {
	t.Parallel()
	picture := image.NewRGBA(image.Rect(0, 0, 600, 100))
	for x := range 600 {
		for y := range 100 {
			shade := color.RGBA{uint8(x), uint8(y), uint8(x * y), 255}
			if x >= 300 {
				shade = color.RGBA{0x1f, 0x5f, 0x8b, 255}
			}
			picture.SetRGBA(x, y, shade)
		}
	}
	var whole bytes.Buffer
	if err := png.Encode(&whole, picture); err != nil {
		t.Fatal(err)
	}
	small, err := shrink(whole.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	shrunk, err := png.Decode(bytes.NewReader(small))
	if err != nil {
		t.Fatal(err)
	}
	if got := shrunk.At(450, 50); got != (color.RGBA{0x1f, 0x5f, 0x8b, 255}) {
		t.Errorf("an area is %v", got)
	}
	for x := range 600 {
		for y := range 100 {
			r, g, _, _ := shrunk.At(x, y).RGBA()
			was := picture.RGBAAt(x, y)
			if d := max(int(r>>8), int(was.R)) - min(int(r>>8), int(was.R)) + max(int(g>>8), int(was.G)) - min(int(g>>8), int(was.G)); d > 80 {
				t.Fatalf("(%d,%d) is off by %d", x, y, d)
			}
		}
	}
	if len(small) > whole.Len() {
		t.Errorf("%d bytes became %d", whole.Len(), len(small))
	}
}
