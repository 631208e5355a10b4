/* What pages cost on their way. */
#ifndef DCSIM_TRANSPORT_H
#define DCSIM_TRANSPORT_H

#include "kernel.h"

typedef struct {
    PyObject_HEAD
    double whole, zero, delta;
    int threads, scanners;
    double send_s, compress_s, compare_s, ratio, encrypt_s, zero_s, ballooned_s, tunnel, raw;
} Transport;

/* Pages to be sent: with contents, zero, zero as a balloon took them; of the first, cached. */
typedef struct {
    double normal, zero, ballooned, cached;
} Some;

extern PyTypeObject TransportType;

double transport_scan_s(const Transport *self, double zeros);
double transport_added_s(const Transport *self, double ballooned);
/* Return how long threads take; put the bytes on the wire down. */
double transport_takes(const Transport *self, Some pages, double wire, double scan_shown,
                       double *size_to);

#endif
