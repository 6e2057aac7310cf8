# The one URL of a cluster whose machines are all on one host: a stand-in for the virtual address or the provider's
# balancer that several hosts have. It passes bytes on and knows nothing of them.
ARG HAPROXY_IMAGE=haproxy:3.0
FROM ${HAPROXY_IMAGE}
COPY infra/docker/front.cfg /usr/local/etc/haproxy/haproxy.cfg
