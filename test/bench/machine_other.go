//go:build !linux

package main

func processor() string { return "processor not known" }

func kernel() string { return "; CPU and memory are measured on Linux alone" }

func fileSystem(string) string { return "not known" }
