package config

import (
	"time"

	"weir/balancer"
	"weir/health"
	"weir/internal/backend"
)

// Config is a checked file, taken apart into what each room is told.
type Config struct {
	Log             Log
	StartupWait     time.Duration
	ShutdownGrace   time.Duration // 0: none
	ShutdownTimeout time.Duration

	// Balancer holds hostname, cluster, replay memory, listeners and what the
	// data path must know of pools. Its Hostname is empty when the file names
	// none: whoever starts weir puts the machine's name there.
	Balancer balancer.Config

	Pools []Pool // in the file's order, as Balancer.Pools
	Admin Admin
}

// Log is how weir logs.
type Log struct {
	Level         string // debug | info | warn | error
	Format        string // json | console
	MaskAddresses bool
}

// Pool is what rooms other than the balancer are told of a pool.
type Pool struct {
	backend.PoolConfig
	Health health.Config
	Static []backend.Spec // from `backends`, in the file's order
}

// Admin is the admin HTTP server.
type Admin struct {
	Address   string // host:port on loopback; empty: there is none
	Anonymous string // what needs no token: read | operate
}
