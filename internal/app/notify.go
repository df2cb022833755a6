package app

import (
	"weir/config"
	"weir/internal/webhook"
)

// newWebhook makes what posts state changes to where the config says.
func (a *App) newWebhook(cfg *config.Config) *webhook.Sender {
	s := webhook.New(webhook.Config{
		Events: a.events, Replica: a.cluster.Name(), Version: a.opts.Version,
		Tell: func(why string) { a.log.warn("webhook").Str("why", why).Send() },
	})
	s.Set(targetOf(cfg))
	return s
}

func targetOf(cfg *config.Config) webhook.Target {
	return webhook.Target{URL: cfg.Webhook.URL, Secret: cfg.Webhook.Secret}
}
