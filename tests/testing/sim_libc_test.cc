// libc's own calls in a simulated world: a program that uses sockets, poll and files in the plain way needs no
// change.
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <reprise/explore.h>
#include <reprise/gtest.h>
#include <reprise/reprise.h>
#include <reprise/sim.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

namespace reprise {
namespace {

#define SIMULATED(count) .policy = "portfolio", .schedules = count, .world = "simulated"

sockaddr_in loopback(uint16_t port) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(port);
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return in;
}

int listen_at(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in at = loopback(port);
  EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
  EXPECT_EQ(listen(fd, 8), 0);
  return fd;
}

int connect_to(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in at = loopback(port);
  EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at), 0) << errno;
  return fd;
}

REPRISE_TEST(SimLibc, blocking_calls_wait_as_goroutines, SIMULATED(200)) {
  const int listener = listen_at(7200);
  WaitGroup served;
  served.add();
  go([listener, served]() mutable {
    const int fd = accept(listener, nullptr, nullptr);
    char text[8];
    EXPECT_EQ(recv(fd, text, 5, MSG_WAITALL), 5);
    EXPECT_EQ(std::string(text, 5), "hello");
    EXPECT_EQ(write(fd, "bye", 3), 3);
    EXPECT_EQ(close(fd), 0);
    served.done();
  });
  const int fd = connect_to(7200);
  EXPECT_EQ(send(fd, "hel", 3, 0), 3);
  EXPECT_EQ(send(fd, "lo", 2, 0), 2);
  std::string text;
  char byte;
  while (read(fd, &byte, 1) == 1) text += byte;
  EXPECT_EQ(text, "bye");
  close(fd);
  close(listener);
  served.wait();
}

REPRISE_TEST(SimLibc, epoll_poll_and_select_agree, SIMULATED(100)) {
  const int listener = listen_at(7201);
  const int client = connect_to(7201);
  const int server = accept(listener, nullptr, nullptr);
  const int epoll = epoll_create1(0);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = server;
  EXPECT_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, server, &event), 0);
  EXPECT_EQ(epoll_wait(epoll, &event, 1, 5000), 0);
  go([client] { EXPECT_EQ(send(client, "x", 1, 0), 1); });
  EXPECT_EQ(epoll_wait(epoll, &event, 1, -1), 1);
  EXPECT_EQ(event.data.fd, server);
  pollfd polled{server, POLLIN, 0};
  EXPECT_EQ(poll(&polled, 1, -1), 1);
  EXPECT_EQ(polled.revents, POLLIN);
  fd_set readable;
  FD_ZERO(&readable);
  FD_SET(server, &readable);
  EXPECT_EQ(::select(server + 1, &readable, nullptr, nullptr, nullptr), 1);
  EXPECT_TRUE(FD_ISSET(server, &readable));
  for (const int fd : {listener, client, server, epoll}) EXPECT_EQ(close(fd), 0);
}

REPRISE_TEST(SimLibc, a_receive_timeout_passes_in_virtual_time, SIMULATED(50)) {
  int ends[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  const timeval hour{3600, 0};
  EXPECT_EQ(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &hour, sizeof hour), 0);
  char byte;
  EXPECT_EQ(recv(ends[0], &byte, 1, 0), -1);
  EXPECT_EQ(errno, EAGAIN);
  close(ends[0]);
  close(ends[1]);
}

REPRISE_TEST(SimLibc, stdio_writes_files_that_no_kernel_sees, SIMULATED(20)) {
  FILE* file = std::fopen("/reprise-simulated.txt", "w");
  ASSERT_NE(file, nullptr);
  std::fprintf(file, "%d lines\n", 3);
  EXPECT_EQ(std::fclose(file), 0);
  file = std::fopen("/reprise-simulated.txt", "r");
  ASSERT_NE(file, nullptr);
  char line[32] = "";
  EXPECT_NE(std::fgets(line, sizeof line, file), nullptr);
  EXPECT_STREQ(line, "3 lines\n");
  std::fclose(file);
  EXPECT_EQ(rename("/reprise-simulated.txt", "/reprise-renamed.txt"), 0);
  EXPECT_EQ(access("/reprise-simulated.txt", F_OK), -1);
  struct stat info;
  EXPECT_EQ(stat("/reprise-renamed.txt", &info), 0);
  EXPECT_EQ(info.st_size, 8);
}

REPRISE_TEST(SimLibc, the_real_file_system_lies_below, SIMULATED(10)) {
  struct stat info;
  EXPECT_EQ(stat("/etc/passwd", &info), 0);
  FILE* file = std::fopen("/etc/passwd", "r");
  char line[256] = "";
  ASSERT_NE(file, nullptr);
  EXPECT_NE(std::fgets(line, sizeof line, file), nullptr);
  std::fclose(file);
  EXPECT_EQ(mkdir("/etc/reprise", 0755), 0);
  const int fd = open("/etc/reprise/a", O_WRONLY | O_CREAT | O_EXCL, 0600);
  EXPECT_GE(fd, 0);
  close(fd);
  DIR* directory = opendir("/etc");
  ASSERT_NE(directory, nullptr);
  bool ours = false, theirs = false;
  while (const dirent* entry = readdir(directory)) {
    ours |= std::strcmp(entry->d_name, "reprise") == 0;
    theirs |= std::strcmp(entry->d_name, "passwd") == 0;
  }
  closedir(directory);
  EXPECT_TRUE(ours && theirs);
  EXPECT_EQ(rmdir("/etc/reprise"), -1);
  EXPECT_EQ(errno, ENOTEMPTY);
  EXPECT_EQ(unlink("/etc/reprise/a"), 0);
  EXPECT_EQ(rmdir("/etc/reprise"), 0);
}

// What was seen by the next world, or by the kernel, would be here.
REPRISE_TEST(SimLibc, each_schedule_has_a_file_system_of_its_own, SIMULATED(20)) {
  EXPECT_EQ(access("/reprise-of-one-schedule", F_OK), -1);
  const int fd = open("/reprise-of-one-schedule", O_WRONLY | O_CREAT, 0600);
  EXPECT_GE(fd, 0);
  close(fd);
}

REPRISE_TEST(SimLibc, getaddrinfo_knows_localhost, SIMULATED(5)) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  EXPECT_EQ(getaddrinfo("127.0.0.1", "80", &hints, &found), 0);
  freeaddrinfo(found);
}

std::string message_of(const std::function<void()>& body) {
  ExploreOptions options;
  options.world = "simulated";
  options.schedules = 1;
  options.confirm = false;
  const auto result = explore(options, body);
  return result.failure ? result.failure->message : "";
}

TEST(SimLibcRefuses, what_it_lacks_by_name) {
  EXPECT_EQ(message_of([] { (void)socket(AF_INET, SOCK_DGRAM, 0); }),
            "simulated world: socket is not supported: only streams; type 2");
  EXPECT_NE(message_of([] { (void)mkfifo("/reprise-fifo", 0600); }).find("mknod"), std::string::npos);
}

}  // namespace
}  // namespace reprise
