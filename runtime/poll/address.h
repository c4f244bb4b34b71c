// Socket addresses: parsing, resolving, printing.
//
// Thread safety: pure functions; resolve() blocks the G while a worker asks the name service.
#pragma once

#include <sys/socket.h>

#include <string_view>
#include <vector>

#include <reprise/net.h>
#include <reprise/result.h>

namespace reprise::rt {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
};

enum class AddressUse : unsigned char { listen, dial };

// The addresses that `text` names on `network`, best first, at least one.
Result<std::vector<SocketAddress>> resolve(std::string_view network, std::string_view text,
                                           AddressUse use);
net::Address printable(const SocketAddress& address);
// The path of a Unix socket in the file system; empty for abstract and unnamed ones.
std::string_view unix_path(const SocketAddress& address);

}  // namespace reprise::rt
