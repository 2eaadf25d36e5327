//go:build !unix

package store

// freeBytes is unknown on this system: limits then take their fixed part.
func freeBytes(string) int64 { return 20 << 30 }

// diskBytes is unknown as well.
func diskBytes(string) int64 { return 1 << 40 }
