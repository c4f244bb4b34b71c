// What channels and select order: Go's memory model.
#include <reprise/chan.h>
#include <reprise/context.h>
#include <reprise/select.h>

#include "tests/race/cases.h"

namespace race_cases {
namespace {

using reprise::Chan;

void send_before_receive() {
  Chan<int> c;
  int x = 0;
  together([&, c]() mutable { x = 1; c.send(1); }, [&, c]() mutable { c.recv(); ++x; });
  use(x);
}
void receive_before_the_send_returns() {
  Chan<int> c;
  int x = 0;
  together([&, c]() mutable { c.send(1); ++x; }, [&, c]() mutable { x = 1; c.recv(); });
  use(x);
}
void write_after_a_send() {
  Chan<int> c;
  int x = 0;
  together([&, c]() mutable { c.send(1); x = 1; }, [&, c]() mutable { c.recv(); ++x; });
  use(x);
}
void buffered_send_before_receive() {
  Chan<int> c(2);
  int x = 0;
  together([&, c]() mutable { x = 1; c.send(1); }, [&, c]() mutable { c.recv(); ++x; });
  use(x);
}
void receive_and_a_buffered_send_before() {
  Chan<int> c(2);
  int x = 0;
  together([&, c]() mutable { c.send(1); ++x; }, [&, c]() mutable { x = 1; c.recv(); });
  use(x);
}
void buffer_of_one_as_a_lock() {
  Chan<int> c(1);
  int x = 0;
  const auto add = [&, c]() mutable { c.send(1); ++x; c.recv(); };
  together(add, add, add);
  use(x);
}
void buffer_of_two_as_a_lock() {
  Chan<int> c(2);
  int x = 0;
  const auto add = [&, c]() mutable { c.send(1); ++x; c.recv(); };
  together(add, add, add);
  use(x);
}
void later_element_of_a_buffer() {
  Chan<int> c(4);
  int x = 0;
  together([&, c]() mutable { c.send(1); x = 1; c.send(2); }, [&, c]() mutable { c.recv(); c.recv(); ++x; });
  use(x);
}
void earlier_element_of_a_buffer() {
  Chan<int> c(4);
  int x = 0;
  together([&, c]() mutable { c.send(1); x = 1; c.send(2); }, [&, c]() mutable { c.recv(); ++x; c.recv(); });
  use(x);
}
void close_before_receive() {
  Chan<int> c;
  int x = 0;
  together([&, c]() mutable { x = 1; c.close(); }, [&, c]() mutable { c.recv(); ++x; });
  use(x);
}
void write_after_close() {
  Chan<int> c;
  int x = 0;
  together([&, c]() mutable { c.close(); x = 1; }, [&, c]() mutable { c.recv(); ++x; });
  use(x);
}
void close_of_a_buffered_one() {
  Chan<int> c(3);
  int x = 0;
  together([&, c]() mutable { x = 1; c.send(1); x = 2; c.close(); }, [&, c]() mutable {
    while (c.recv()) continue;
    ++x;
  });
  use(x);
}
void pipeline() {
  Chan<int*> a, b;
  int x = 0;
  together([&, a]() mutable { x = 1; a.send(&x); },
           [a, b]() mutable { int* p = *a.recv(); ++*p; b.send(p); },
           [b]() mutable { ++**b.recv(); });
  use(x);
}
void pointer_kept_after_sending() {
  Chan<int*> a;
  int x = 0;
  together([&, a]() mutable { a.send(&x); ++x; }, [a]() mutable { ++**a.recv(); });
  use(x);
}
void length_orders_nothing() {
  Chan<int> c(1);
  int x = 0;
  together([&, c]() mutable { x = 1; c.send(1); }, [&, c]() mutable { if (c.len() == 1) ++x; });
  use(x);
}
void two_senders() {
  Chan<int> c(2);
  int x = 0;
  together([&, c]() mutable { ++x; c.send(1); }, [&, c]() mutable { ++x; c.send(1); },
           [c]() mutable { c.recv(); c.recv(); });
  use(x);
}
void cancelled_context() {
  auto [ctx, cancel] = reprise::with_cancel(reprise::background());
  int x = 0;
  together([&, cancel = cancel]() mutable { x = 1; cancel(); }, [&, ctx = ctx]() mutable { ctx.done().recv(); ++x; });
  use(x);
}

constexpr Case kCases[] = {
    {"send_before_receive", false, send_before_receive},
    {"receive_before_the_send_returns", false, receive_before_the_send_returns},
    {"write_after_a_send", true, write_after_a_send},
    {"buffered_send_before_receive", false, buffered_send_before_receive},
    {"receive_and_a_buffered_send_before", true, receive_and_a_buffered_send_before},
    {"buffer_of_one_as_a_lock", false, buffer_of_one_as_a_lock},
    {"buffer_of_two_as_a_lock", true, buffer_of_two_as_a_lock},
    {"later_element_of_a_buffer", false, later_element_of_a_buffer},
    {"earlier_element_of_a_buffer", true, earlier_element_of_a_buffer},
    {"close_before_receive", false, close_before_receive},
    {"write_after_close", true, write_after_close},
    {"close_of_a_buffered_one", false, close_of_a_buffered_one},
    {"pipeline", false, pipeline},
    {"pointer_kept_after_sending", true, pointer_kept_after_sending},
    {"length_orders_nothing", true, length_orders_nothing},
    {"two_senders", true, two_senders},
    {"cancelled_context", false, cancelled_context},
};

}  // namespace

std::span<const Case> channel_cases() { return kCases; }

}  // namespace race_cases
