# A connector, for the Consul agent on the connector's own machine: put it into
# the agent's configuration directory and run `consul reload`. One file for each
# connector. `weir register` does the same without a file.
service {
  name    = "connector-internet" # what the pool's consul.service names
  id      = "mx-a"               # different on each machine
  address = "10.0.0.11"          # an IP address; left out: the machine's own
  port    = 25

  meta = {
    weir_name = "mx-a" # what people call it; left out: the id
    # weir_cost    = "10"         # priority tier, lowest first; left out: 0
    # weir_publish = "192.0.2.21" # the address that DNS shows for it
  }

  # Without this Consul says 1, and weir's own default is 100: connectors that are
  # listed in weir's config beside this one would get nearly everything.
  weights = {
    passing = 100
    warning = 100
  }

  # Only whether the port accepts. Weir's own probes speak SMTP and see far more.
  # There is no deregister_critical_service_after on purpose: a connector that is
  # down must stay in sight.
  check = {
    name                     = "SMTP port"
    tcp                      = "10.0.0.11:25"
    interval                 = "5s"
    timeout                  = "3s"
    failures_before_critical = 2
  }
}
