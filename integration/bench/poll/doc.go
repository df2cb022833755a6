// Package poll is the little that load and sink need of the kernel: one epoll set, and sockets that never block, read and
// written without the Go scheduler. A goroutine for each connection and the runtime's own poller would cost the benchmark
// more than the front end that it measures.
//
// It owns the epoll set and nothing else: descriptors belong to those who made them here. It knows no SMTP, keeps no
// buffers and starts no goroutine; a Poller belongs to one goroutine, of which only Wake may be called by others.
package poll
