package process

import "time"

// Usage is what a process has used; 0 on a system where that is unknown.
type Usage struct {
	CPU            time.Duration // user and system
	Peak, Resident int64         // bytes of memory, maximum and current
}
