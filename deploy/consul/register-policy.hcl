# What `weir register` and `weir deregister` need, for the token of those who run
# them; weir itself does not need it.
#   consul acl policy create -name connector-register -rules @register-policy.hcl
service_prefix "connector-" {
  policy = "write"
}
