package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"weir/integration/bench/front"
	"weir/integration/bench/load"
	"weir/integration/bench/table"
)

// bench is connectors and the front ends before them.
type bench struct {
	behind   stand
	sinks    *front.Sinks
	postfix  *front.Postfixes
	fronts   []contender
	calm     float64        // the share of the machine that others may take in a run
	stopping []func() error // in the order of their start
}

// contender is a front end that is measured; several may be listeners of one process.
type contender struct {
	name  string
	addrs []string // where senders go; only without a front end there are several
	pid   int      // 0: there is no process to be charged
}

// open starts the connectors and those front ends that a shape wants. What it returns must be closed, also after an error.
func (o *options) open(ctx context.Context, behind stand, of []shape) (*bench, error) {
	b := &bench{behind: behind, calm: o.calm}
	addrs, err := b.connectors(ctx)
	if err != nil {
		return b, err
	}
	wanted := func(name string) bool {
		for i := range of {
			if of[i].wants(name) {
				return o.fronts.MatchString(name)
			}
		}
		return false
	}
	if err := b.weir(ctx, wanted, o.weir, addrs, table.Weir, table.WeirTCP); err != nil {
		return b, err
	}
	if o.old != "" {
		if err := b.weir(ctx, wanted, o.old, addrs, table.Old, table.OldTCP); err != nil {
			return b, err
		}
	}
	return b, b.peers(ctx, wanted, addrs)
}

// weir starts a weir, which is two front ends: its listeners.
func (b *bench) weir(ctx context.Context, wanted func(string) bool, bin string, addrs []string, smtp, tcp string) error {
	if !wanted(smtp) && !wanted(tcp) {
		return nil
	}
	w, err := front.StartWeir(ctx, bin, front.WeirConfig(addrs))
	if err != nil {
		return err
	}
	b.stopping = append(b.stopping, w.Stop)
	b.add(wanted, contender{smtp, []string{w.SMTP}, w.PID()}, contender{tcp, []string{w.TCP}, w.PID()})
	return nil
}

// peers starts the front ends of others.
func (b *bench) peers(ctx context.Context, wanted func(string) bool, addrs []string) error {
	if wanted(table.HAProxy) {
		h, err := front.StartHAProxy(ctx, addrs)
		if err != nil {
			return err
		}
		b.stopping = append(b.stopping, h.Stop)
		b.add(wanted, contender{table.HAProxy, []string{h.Addr}, h.PID()})
	}
	if wanted(table.Nginx) {
		n, err := front.StartNginx(ctx, addrs)
		if err != nil {
			return err
		}
		b.stopping = append(b.stopping, n.Stop)
		b.add(wanted, contender{table.Nginx, []string{n.Addr}, n.PID()})
	}
	b.add(wanted, contender{table.None, addrs, 0})
	return nil
}

func (b *bench) add(wanted func(string) bool, all ...contender) {
	for _, c := range all {
		if wanted(c.name) {
			b.fronts = append(b.fronts, c)
		}
	}
}

// connectors starts what is behind the front ends.
func (b *bench) connectors(ctx context.Context) ([]string, error) {
	var err error
	if b.behind == realPostfix || b.behind == relayPostfix {
		var hop string
		if b.behind == relayPostfix {
			next, err := front.StartSinks(ctx, 1)
			if err != nil {
				return nil, err
			}
			b.stopping = append(b.stopping, next.Stop)
			hop = next.Addrs[0]
		}
		if b.postfix, err = front.StartPostfixes(ctx, connectors, hop); err != nil {
			return nil, err
		}
		b.stopping = append(b.stopping, b.postfix.Stop)
		return b.postfix.Addrs, nil
	}
	var args []string
	if b.behind == plainSinks {
		args = []string{"-no-pipelining"}
	}
	if b.sinks, err = front.StartSinks(ctx, connectors, args...); err != nil {
		return nil, err
	}
	b.stopping = append(b.stopping, b.sinks.Stop)
	return b.sinks.Addrs, nil
}

// close stops everything, the front ends first.
func (b *bench) close() error {
	var errs []error
	for i := len(b.stopping) - 1; i >= 0; i-- {
		errs = append(errs, b.stopping[i]())
	}
	return errors.Join(errs...)
}

// sendLoad runs the senders as a process of their own.
func (b *bench) sendLoad(ctx context.Context, c contender, s *shape) (*load.Result, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, s.args(c.addrs[0])...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("sending: %w: %s", err, said.String())
	}
	r := &load.Result{}
	if err := json.Unmarshal(out, r); err != nil {
		return nil, fmt.Errorf("reading the result: %w", err)
	}
	return r, nil
}

// sendSource runs Postfix's own load generator; against several addresses each gets its share at the same time. It knows no
// latencies.
func (b *bench) sendSource(ctx context.Context, c contender, s *shape) (*load.Result, error) {
	n := len(c.addrs)
	errs := make([]error, n)
	began := time.Now()
	var wg sync.WaitGroup
	for i, addr := range c.addrs {
		wg.Go(func() {
			out, err := exec.CommandContext(ctx, "smtp-source", "-s", strconv.Itoa(s.conns/n), "-m", strconv.Itoa(s.messages/n),
				"-l", strconv.Itoa(s.size), "-f", "bench@sender.example", "-t", "box@test.example", addr).CombinedOutput()
			if err != nil {
				errs[i] = fmt.Errorf("running smtp-source: %w: %s", err, out)
			}
		})
	}
	wg.Wait()
	took := time.Since(began).Seconds()
	sent := uint64(s.messages / n * n)
	return &load.Result{Messages: sent, Acknowledged: sent, Seconds: took, Rate: float64(sent) / took}, errors.Join(errs...)
}
