// Socket addresses. Numeric hosts and ports are parsed here; only names go to getaddrinfo, which
// reads files and may wait for servers, hence on a worker thread.
#include "runtime/poll/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <charconv>
#include <cstddef>
#include <cstring>
#include <string>

#include "runtime/sim/sim.h"
#include "runtime/sys/blocking.h"

namespace reprise::rt {
namespace {

Error bad_address(std::string_view network, std::string_view text, std::string_view why) {
  return Error(ErrorKind::address, 0,
               std::string(network) + " address \"" + std::string(text) + "\": " + std::string(why));
}

Result<std::vector<SocketAddress>> resolve_unix(std::string_view path) {
  SocketAddress address;
  auto* un = reinterpret_cast<sockaddr_un*>(&address.storage);
  const bool abstract = path.starts_with('@');
  // A path wants its terminating zero; an abstract name is counted.
  const size_t room = sizeof un->sun_path - (abstract ? 0 : 1);
  if (path.empty()) return bad_address("unix", path, "empty path");
  if (path.size() > room) return bad_address("unix", path, "longer than the kernel takes");
  un->sun_family = AF_UNIX;
  std::memcpy(un->sun_path, path.data(), path.size());
  if (abstract) un->sun_path[0] = '\0';
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1));
  return std::vector{address};
}

struct HostPort {
  std::string host, port;
};

// "host:port", "[v6]:port", ":port".
Result<HostPort> split(std::string_view network, std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == text.npos) return bad_address(network, text, "missing port");
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[')) {
    if (!host.ends_with(']')) return bad_address(network, text, "missing ']'");
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != host.npos) {
    return bad_address(network, text, "too many colons");
  }
  return HostPort{std::string(host), std::string(text.substr(colon + 1))};
}

SocketAddress ipv4(const in_addr& host, uint16_t port) {
  SocketAddress address;
  auto* in = reinterpret_cast<sockaddr_in*>(&address.storage);
  in->sin_family = AF_INET;
  in->sin_port = htons(port);
  in->sin_addr = host;
  address.size = sizeof *in;
  return address;
}

SocketAddress ipv6(const in6_addr& host, uint16_t port) {
  SocketAddress address;
  auto* in = reinterpret_cast<sockaddr_in6*>(&address.storage);
  in->sin6_family = AF_INET6;
  in->sin6_port = htons(port);
  in->sin6_addr = host;
  address.size = sizeof *in;
  return address;
}

// Every interface to listen on, the loopback to dial; both families, IPv6 first to listen because a
// dual-stack socket takes both.
std::vector<SocketAddress> unnamed_host(std::string_view network, uint16_t port, AddressUse use) {
  std::vector<SocketAddress> all;
  const bool listen = use == AddressUse::listen;
  const auto six = ipv6(listen ? in6addr_any : in6addr_loopback, port);
  const auto four = ipv4(in_addr{htonl(listen ? INADDR_ANY : INADDR_LOOPBACK)}, port);
  if (network != "tcp4" && listen) all.push_back(six);
  if (network != "tcp6") all.push_back(four);
  if (network != "tcp4" && !listen) all.push_back(six);
  return all;
}

bool parse_port(const std::string& text, uint16_t* port) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *port);
  return error == std::errc() && stop == end;
}

Result<std::vector<SocketAddress>> ask_name_service(std::string_view network, const HostPort& name,
                                                    std::string_view text) {
  if (sim::world_open) return bad_address(network, text, "the simulated world knows \"localhost\" and numbers only");
  addrinfo hints{};
  hints.ai_family = network == "tcp4" ? AF_INET : network == "tcp6" ? AF_INET6 : AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  int failed = 0;
  on_worker([&] {
    failed = getaddrinfo(name.host.empty() ? nullptr : name.host.c_str(), name.port.c_str(), &hints,
                         &found);
  });
  if (failed) return bad_address(network, text, gai_strerror(failed));
  std::vector<SocketAddress> all;
  for (const addrinfo* info = found; info; info = info->ai_next) {
    SocketAddress address;
    std::memcpy(&address.storage, info->ai_addr, info->ai_addrlen);
    address.size = info->ai_addrlen;
    all.push_back(address);
  }
  freeaddrinfo(found);
  return all;
}

Result<std::vector<SocketAddress>> resolve_tcp(std::string_view network, std::string_view text,
                                               AddressUse use) {
  auto parts = split(network, text);
  if (!parts) return std::move(parts).error();
  uint16_t port = 0;
  if (!parse_port(parts->port, &port)) {
    const bool number = !parts->port.empty() &&
                        parts->port.find_first_not_of("0123456789") == std::string::npos;
    if (parts->port.empty() || number) return bad_address(network, text, "invalid port");
    return ask_name_service(network, *parts, text);
  }
  if (parts->host.empty()) return unnamed_host(network, port, use);
  if (sim::world_open && parts->host == "localhost") return unnamed_host(network, port, AddressUse::dial);
  in_addr four;
  in6_addr six;
  if (inet_pton(AF_INET, parts->host.c_str(), &four) == 1 && network != "tcp6") {
    return std::vector{ipv4(four, port)};
  }
  if (inet_pton(AF_INET6, parts->host.c_str(), &six) == 1 && network != "tcp4") {
    return std::vector{ipv6(six, port)};
  }
  return ask_name_service(network, *parts, text);
}

net::Address printable_unix(const SocketAddress& address) {
  const auto* un = reinterpret_cast<const sockaddr_un*>(&address.storage);
  const size_t length = address.size > offsetof(sockaddr_un, sun_path)
                            ? address.size - offsetof(sockaddr_un, sun_path) : 0;
  if (length == 0) return {"unix", "", 0};
  if (un->sun_path[0] == '\0') return {"unix", "@" + std::string(un->sun_path + 1, length - 1), 0};
  return {"unix", std::string(unix_path(address)), 0};
}

}  // namespace

Result<std::vector<SocketAddress>> resolve(std::string_view network, std::string_view text,
                                           AddressUse use) {
  if (network == "unix") return resolve_unix(text);
  if (network == "tcp" || network == "tcp4" || network == "tcp6") {
    return resolve_tcp(network, text, use);
  }
  return Error(ErrorKind::address, 0, "unknown network \"" + std::string(network) + "\"");
}

std::string_view unix_path(const SocketAddress& address) {
  if (address.family() != AF_UNIX || address.size <= offsetof(sockaddr_un, sun_path)) return {};
  const auto* un = reinterpret_cast<const sockaddr_un*>(&address.storage);
  return {un->sun_path, strnlen(un->sun_path, address.size - offsetof(sockaddr_un, sun_path))};
}

net::Address printable(const SocketAddress& address) {
  char host[INET6_ADDRSTRLEN] = "";
  if (address.family() == AF_INET) {
    const auto* in = reinterpret_cast<const sockaddr_in*>(&address.storage);
    inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
    const uint16_t port = ntohs(in->sin_port);
    return {"tcp", std::string(host) + ":" + std::to_string(port), port};
  }
  if (address.family() == AF_INET6) {
    const auto* in = reinterpret_cast<const sockaddr_in6*>(&address.storage);
    inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof host);
    const uint16_t port = ntohs(in->sin6_port);
    return {"tcp", "[" + std::string(host) + "]:" + std::to_string(port), port};
  }
  if (address.family() == AF_UNIX) return printable_unix(address);
  return {};
}

}  // namespace reprise::rt
