//go:build !linux

package main

// usageOf is measured on Linux alone.
func usageOf(int) (usage, error) { return usage{}, nil }

// dropCache does nothing.
func dropCache() error { return nil }
