// cgo_workers [THREADS [ROUNDS]]: a C library with threads of its own, which call back into goroutines.
//
// The library (cgo_workers_library.c) hands out numbers to its threads and calls back for each, on whatever thread took
// it; callbacks send them to a channel and wait for an answer. Beside that goroutines call the library, which calls
// back on them. What is printed depends on who came when: a replay must give it back.
#include <reprise/cgo.h>
#include <reprise/reprise.h>

#include <cstdio>
#include <cstdlib>

extern "C" {
struct library;
library* library_open(int threads, int rounds, void (*on_number)(void*, int thread, int number), void* arg);
void library_visit(library*, void (*visitor)(void*, int total), void* arg);
void library_close(library*);
}

namespace {

struct Question {
  int thread = 0, number = 0;
  reprise::Chan<int> answer;
};
struct State {
  reprise::Chan<Question> questions{2};
  int next = 0;
};

void on_number(void* arg, int thread, int number) {
  auto* const state = static_cast<State*>(arg);
  reprise::cgo::callback([&] {
    Question question{thread, number, reprise::Chan<int>()};
    state->questions.send(question);
    const int place = *question.answer.recv();
    if (place % 5 == 0) reprise::yield();
  });
}

void visited(void* arg, int total) {
  reprise::cgo::callback([&] {
    reprise::yield();
    std::printf("visitor %d finds %d\n", *static_cast<int*>(arg), total);
  });
}

int app(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 3;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 8;
  State state;
  library* const opened = library_open(threads, rounds, on_number, &state);
  reprise::WaitGroup visitors;
  for (int v = 0; v < 3; ++v) {
    visitors.add(1);
    reprise::go([=]() mutable {
      for (int i = 0; i < 3; ++i) reprise::cgo::call([&] { library_visit(opened, visited, &v); });
      visitors.done();
    });
  }
  for (int i = 0; i < threads * rounds; ++i) {
    const Question question = *state.questions.recv();
    std::printf("%d: number %d of thread %d\n", i, question.number, question.thread);
    question.answer.send(i);
  }
  visitors.wait();
  reprise::cgo::call([&] { library_close(opened); });
  std::puts("closed");
  return 0;
}

}  // namespace

REPRISE_MAIN(app)
