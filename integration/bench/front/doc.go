// Package front starts what the benchmark measures, each as a user would: weir, HAProxy and nginx with a config file of
// their own in a directory that is removed afterwards, the sinks as a process apart, real Postfix for one row.
//
// A front end passes through it as follows: its config is written, the process is started and waited for until it listens
// and sees all connectors; while it runs, CPU and Memory read what it costs from /proc; Stop ends it and makes a premature
// end an error. The package never sends a message and never touches what others run on the machine.
package front
