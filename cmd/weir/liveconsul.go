package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/hashicorp/consul/api"

	"weir/config"
	"weir/discovery/consul"
	"weir/internal/app"
)

// anonymousToken is the ID of the token that stands for having none.
const anonymousToken = "00000000-0000-0000-0000-000000000002"

// consulChecks asks the agent who leads and who weir is, and then for the service of
// each pool: an agent that answers may still not know the token, or show nothing to it.
func consulChecks(cfg *config.Config) []liveCheck {
	if cfg.Consul == nil {
		return nil
	}
	at := ""
	if cfg.Consul.Address != "" {
		at = " at " + cfg.Consul.Address
	}
	client, err := app.ConsulClient(cfg.Consul)
	if err != nil {
		return []liveCheck{{"consul" + at, func(context.Context) (string, error) { return "", err }}}
	}
	checks := []liveCheck{{"consul" + at, func(ctx context.Context) (string, error) { return liveConsul(ctx, client, cfg.Consul) }}}
	for i := range cfg.Pools {
		p := &cfg.Pools[i]
		if p.Consul == nil {
			continue
		}
		source := consul.New(consul.Config{Pool: p.Name, Service: p.Consul.Service, Tag: p.Consul.Tag, Datacenter: p.Consul.Datacenter}, client)
		what := fmt.Sprintf("service %s of pool %s", p.Consul.Service, p.Name)
		checks = append(checks, liveCheck{what, func(ctx context.Context) (string, error) { return liveService(ctx, source) }})
	}
	return checks
}

// liveConsul asks who leads, which needs no rights and shows that the servers are
// there too, and whether they know the token.
func liveConsul(ctx context.Context, client *api.Client, cfg *config.Consul) (remark string, err error) {
	ctx, cancel := context.WithTimeout(ctx, consulLongest)
	defer cancel()
	leader, err := client.Status().LeaderWithQueryOptions(consulOptions(ctx))
	switch {
	case err != nil:
		return "", errors.New(plain(err))
	case leader == "":
		return "", errors.New("the agent answers, and the servers have no leader")
	}
	return "leader " + leader, knownToken(ctx, client, cfg.TokenFile)
}

// knownToken reports a token that Consul does not know. Without one, or without
// rules, there is nothing to know.
func knownToken(ctx context.Context, client *api.Client, file string) error {
	given := "the token in " + file
	if file == "" {
		given = "the token of the environment"
		if os.Getenv(api.HTTPTokenEnvName) == "" && os.Getenv(api.HTTPTokenFileEnvName) == "" {
			return nil
		}
	}
	token, _, err := client.ACL().TokenReadSelf(consulOptions(ctx))
	var status api.StatusError
	switch {
	case err == nil && token.AccessorID != anonymousToken:
		return nil
	case errors.As(err, &status) && status.Code == http.StatusUnauthorized && strings.Contains(status.Body, "ACL support disabled"):
		return nil
	case err == nil, errors.As(err, &status) && status.Code == http.StatusForbidden:
		return fmt.Errorf("%s is not one that Consul knows (empty, revoked, or of another datacenter)", given)
	default:
		return fmt.Errorf("asking Consul about %s: %s", given, plain(err))
	}
}

// liveService asks for the instances of a service, as the pool's source will.
func liveService(ctx context.Context, source *consul.Source) (remark string, err error) {
	ctx, cancel := context.WithTimeout(ctx, consulLongest)
	defer cancel()
	n, remark, err := source.Check(ctx)
	if err != nil {
		return "", err
	}
	if remark != "" {
		remark = "; " + remark
	}
	return count(n, "connector") + remark, nil
}
