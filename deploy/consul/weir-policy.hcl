# What weir's own token may do:
#   consul acl policy create -name weir -rules @weir-policy.hcl
#   consul acl token create -policy-name weir -description weir

# Read the connectors. Consul hides an instance unless its node may be read too.
service_prefix "connector-" {
  policy = "read"
}
node_prefix "" {
  policy = "read"
}

# What replicas share: drain flags, views, the lock of the one that writes DNS.
key_prefix "weir/" {
  policy = "write"
}
session_prefix "" {
  policy = "write"
}

# Its own registration, one for each replica.
service "weir" {
  policy = "write"
}
