package config

import "net/url"

// webhookFields is the table of where state changes are posted to.
func webhookFields(h *Webhook) []field {
	return []field{
		{"url", scalar(&h.URL, webhookURL)},
		{"secret_file", file(&h.SecretFile, private(groupMayRead))},
	}
}

// webhookURL accepts where to post to, and nothing for no webhook. A password
// in it would be shown wherever the config is.
func webhookURL(s string) (string, *fault) {
	const remedy = "for example https://alerts.example.com/weir"
	if s == "" {
		return "", nil
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return "", faultf(remedy, "%q is no URL of scheme http or https", s)
	case u.User != nil:
		return "", faultf("have what is sent signed: secret_file", "a URL with a password in it is not taken, because the config is shown to many")
	case u.Fragment != "":
		return "", faultf(remedy, "%q has a fragment, which is not sent", s)
	}
	return s, nil
}

// checkWebhook reads the secret that what is posted is signed with.
func (d *decoder) checkWebhook(h *Webhook) {
	const path = "webhook.secret_file"
	if h.SecretFile == "" || d.faulty(path) {
		return
	}
	secret, bad := readSecret(h.SecretFile)
	if bad != nil {
		d.report(d.where(path), path, bad)
		return
	}
	h.Secret = secret
}

// mostHistory is how many transactions may be kept at most: some GB of memory.
const mostHistory = 5_000_000
