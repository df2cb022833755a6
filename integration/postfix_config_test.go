package integration

// mainCF is a whole main.cf: nothing is taken from the machine's own Postfix. The limits are out of the way, nothing
// is rewritten, and one catch-all Maildir takes every recipient.
const mainCF = `compatibility_level = 3.6
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
data_directory = @DIR@/data
queue_directory = @DIR@/queue
mail_owner = postfix
setgid_group = postdrop
maillog_file = @DIR@/log/mail.log
maillog_file_prefixes = @DIR@/log
myhostname = @HOST@
mydomain = test.example
myorigin = test.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
local_header_rewrite_clients =
virtual_mailbox_domains = test.example
virtual_mailbox_base = @DIR@/mail
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:@UID@
virtual_gid_maps = static:@UID@
virtual_mailbox_limit = 0
mailbox_size_limit = 0
message_size_limit = 67108864
smtpd_recipient_limit = 2000
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
smtpd_error_sleep_time = 0
smtpd_client_connection_count_limit = 0
disable_dns_lookups = yes
enable_long_queue_ids = yes
in_flow_delay = 0
default_process_limit = 100
biff = no
`

const masterCF = `@ADDR@ inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`
