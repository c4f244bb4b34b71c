// Everything of Reprise in one header; each concept has its own.
#pragma once

#include <reprise/go.h>
#include <reprise/init.h>
#include <reprise/main.h>
#include <reprise/panic.h>
