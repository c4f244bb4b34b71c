// The program of the README, and the order in which its goroutines ran.
#include <reprise/reprise.h>

#include <cstdio>

int app(int, char**) {
  reprise::Chan<int> squares(8);
  reprise::WaitGroup wg;
  for (int i = 0; i < 4; ++i) {
    wg.add(1);
    reprise::go([=]() mutable {
      squares.send(i * i);
      wg.done();
    });
  }
  reprise::go([=]() mutable {
    wg.wait();
    squares.close();
  });
  for (int v : squares) std::printf("%d\n", v);
  return 0;
}
REPRISE_MAIN(app)
