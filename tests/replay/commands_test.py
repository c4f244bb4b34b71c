"""Commands of Debian, recorded once and replayed as they are: output, status, memory, each time.

One line a command, as a shell has it; `sh`, `bash` and the like stand where the shell is what is
recorded. A command that the machine does not have is left out, and the test says how many ran. Each runs
in a folder with a few files, a git repository among them.
"""

import os
import shlex
import shutil
import subprocess
import tempfile
import unittest

from harness import Trace, TraceTest

VERDICTS = (64, 70, 74)  # Reprise's own

# A status that must come out stands in front; elsewhere it depends on what is installed.
COMMANDS = r"""
awk '{ n[$2] += $1 } END { for (k in n) print k, n[k] }' text
mawk 'BEGIN { srand(); print rand() }'
gawk 'BEGIN { srand(); "date +%s" | getline d; print rand(), d; system("echo by system") }'
sed -n '1,5p;s/key/K/gp' text
sort --parallel=2 -S1M -k2 text
grep -rn line tree
1 diff -ru tree/f1 tree/f2
cmp tree/f1 tree/f1
shuf -n 5 text
od -N32 -tx1 /dev/urandom
sha256sum text tree/f1
base64 text
dd if=/dev/urandom of=random bs=4k count=50 status=none
split -l 5000 text part
find tree -name 'f1*' -exec wc -l {} +
sh -c 'find tree -type f | sort | xargs -P2 -n5 wc -c | sort | tail -3'
tar czf tree.tgz tree
bash -c 'tar cf - tree | gzip -c | gunzip -c | tar tf - | sort | head -5; echo ${PIPESTATUS[@]}'
gzip -kf text
xz -kf -T2 text
zstd -qf -T2 text
cp -r tree copy
rm -rf copy
ls -laR --color=always tree
du -s tree
df .
stat text
date
id
env
ps aux
free
nproc
bash -c 'set -m; sleep 0.05 & jobs; wait; echo $?'
bash -c 'trap "echo caught" USR1; kill -USR1 $$; echo $RANDOM $SECONDS $BASHPID'
bash -c 'diff <(ls /) <(ls /) && echo same; cat <<< here'
bash -c 'coproc cat; echo hi >&${COPROC[1]}; read x <&${COPROC[0]}; echo $x'
bash -c 'while read a b c; do n=$((n + a)); done < text; echo $n'
sh -c 'mkfifo fifo; (echo through > fifo &); cat fifo'
sh -c 'cat nothing; echo $?; exit 0'
3 sh -c 'echo a; (echo b; exit 5); echo $?; exit 3'
timeout 5 sleep 0.01
nohup echo out
setsid -w echo session
flock lock echo locked
mktemp -u
readlink /proc/self/exe
getent passwd root
git -C repository log --oneline --stat
git -C repository status
git -C repository gc -q
git clone -q repository clone
gcc -O1 -o hello hello.c
make -j2
ar rcs libempty.a
nm /bin/true
readelf -h /bin/true
perl -e 'my %h = map {$_ => rand} 1..50; print join(",", (keys %h)[0..3]), "\n"; print `date +%N`; fork or exit 3; wait; print $? >> 8, "\n"'
perl -Mthreads -e 'my @t = map { my $n = $_; threads->create(sub { print "thread $n\n" }) } 1..4; $_->join for @t'
python3 -c 'import asyncio; print(asyncio.run(asyncio.sleep(0.01, "slept")))'
python3 -c 'import concurrent.futures as f; print(list(f.ThreadPoolExecutor(4).map(hex, range(50))))'
python3 -c 'import mmap; f = open("m", "w+b"); f.truncate(8192); m = mmap.mmap(f.fileno(), 0); m[:5] = b"hello"; f.seek(10); f.write(b"world"); f.flush(); print(m[:15])'
python3 -c 'import os; p = os.fork(); p or os._exit(os.system("echo from a grandchild")); print(os.waitpid(p, 0)[1])'
python3 -c 'import subprocess, uuid; print(uuid.uuid4(), flush=True); subprocess.run(["ls", "-l", "/"])'
python3 -c 'import signal, time; signal.signal(14, print); signal.setitimer(0, 0.01); time.sleep(0.05)'
sqlite3 base.db 'pragma journal_mode=wal; create table if not exists t(a); insert into t values(random()); select * from t'
openssl rand -hex 16
openssl genrsa 1024
ssh-keygen -q -t ed25519 -N '' -f key
curl -s file:///etc/passwd
vim -es -u NONE -c 'put =\"hello\"' -c 'w! out.txt' -c 'q!'
script -qc 'echo in a terminal' /dev/null
man -w ls
node -e 'console.log(Math.random(), Date.now()); setTimeout(() => console.log("late"), 5)'
java -Xmx64m -version
lua5.4 -e 'print(os.time(), math.random())'
ruby -e 'puts rand; system("echo by system"); Thread.new { puts 1 }.join'
"""


def prepare(room):
    with open(os.path.join(room, "text"), "w") as file:
        file.writelines(f"{i * 7919 % 10007} key{i % 13} {'x' * (i % 50)}\n" for i in range(20000))
    os.mkdir(os.path.join(room, "tree"))
    for i in range(20):
        with open(os.path.join(room, "tree", f"f{i}"), "w") as file:
            file.write("line\n" * i)
    with open(os.path.join(room, "hello.c"), "w") as file:
        file.write("#include <stdio.h>\nint main(void) { return puts(\"hello\") < 0; }\n")
    with open(os.path.join(room, "Makefile"), "w") as file:
        file.write("all: a1 a2 a3\na%: hello.c\n\tgcc -o $@ hello.c\n\t./$@\n")
    subprocess.run(["sh", "-ec", "git init -q repository; cd repository; for i in 1 2 3; do echo $i > f$i; "
                    "git add .; git -c user.name=a -c user.email=a@b commit -qm c$i; done"],
                   cwd=room, check=True)


class Commands(TraceTest):
    def assert_command_replays(self, argv, status, room):
        with Trace() as trace:
            recorded = trace.record(argv, cwd=room)
            self.assertNotIn(recorded.status, VERDICTS, recorded.errors[-2000:])
            self.assert_recorded(recorded, recorded.status if status is None else status)
            self.assert_same(recorded, trace)

    def test_every_command_replays(self):
        ran = 0
        with tempfile.TemporaryDirectory() as room:
            prepare(room)
            for line in COMMANDS.strip().splitlines():
                argv = shlex.split(line)
                status = int(argv.pop(0)) if argv[0].isdigit() else None
                if not shutil.which(argv[0]):
                    continue
                ran += 1
                with self.subTest(command=line):
                    self.assert_command_replays(argv, status, room)
        print(f"{ran} commands")
        self.assertGreater(ran, 40)


if __name__ == "__main__":
    unittest.main()
