// Everything of Reprise in one header; each concept has its own.
#pragma once

#include <reprise/atomic.h>
#include <reprise/cgo.h>
#include <reprise/chan.h>
#include <reprise/context.h>
#include <reprise/defer.h>
#include <reprise/errno.h>
#include <reprise/go.h>
#include <reprise/go_local.h>
#include <reprise/iface.h>
#include <reprise/init.h>
#include <reprise/main.h>
#include <reprise/map.h>
#include <reprise/mem.h>
#include <reprise/net.h>
#include <reprise/os.h>
#include <reprise/panic.h>
#include <reprise/result.h>
#include <reprise/select.h>
#include <reprise/semaphore.h>
#include <reprise/signal.h>
#include <reprise/sync.h>
#include <reprise/time.h>
#include <reprise/type_switch.h>
