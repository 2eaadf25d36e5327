//go:build !linux

package main

func processor() string { return "unknown processor" }

func kernel() string { return "; CPU and memory are measured only on Linux" }

func fileSystem(string) string { return "unknown" }
