/*
 * sipload - closed-loop SIP/UDP load generator.
 *
 * One thread, recvmmsg/sendmmsg, a fixed number of outstanding transactions
 * (the window).  It plays the sending user agents, the receiving user agents
 * and the presence watchers, checks what comes back, and charges the CPU time
 * of the server's process tree (never its own) to the transactions completed.
 *
 * Scenarios
 *   echo      600-byte datagrams returned unchanged (the floor)
 *   forward   MESSAGE through a stateless forwarder to the receiving agent
 *   relay     MESSAGE to a registered user, stateful relay, 200 from the agent
 *   register  REGISTER, 401, REGISTER with digest credentials, 200
 *   offline   MESSAGE to a user without a binding, 202 (or 200) from the server
 *   presence  PUBLISH, 200, one NOTIFY to each watcher, each answered with 200
 *
 * Build: cc -O2 -o sipload sipload.c       Usage: sipload --help
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "md5.h"

#define MAXMSG 4096
#define BATCH 64
#define MAXPORTS 64
#define MAXPIDS 256

/* ---------------------------------------------------------------- options */
static const char *o_target = "127.0.0.1:7000", *o_scenario = "relay";
static const char *o_cpim = NULL;               /* what a message/cpim asks to be notified of */
static const char *o_domain = "ims.test", *o_password = "secret";
static int o_port = 7800, o_ports = 1, o_window = 64, o_users = 1000;
static int o_watchers = 100, o_body = 160, o_noreg = 0, o_offbase = 500000, o_digest = 0;
static double o_rate = 0;                       /* 0: closed loop, as fast as answers come */
static double o_warmup = 1.0, o_duration = 4.0;
static int pids[MAXPIDS], npids;
static char run_id[16];

static void die(const char *f, ...)
{
	va_list ap;
	va_start(ap, f);
	fputs("sipload: ", stderr);
	vfprintf(stderr, f, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(2);
}

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

/* ------------------------------------------------ CPU time of the server */
static double proc_cpu_ns(int pid)
{
	char p[300];
	double sum = 0;
	snprintf(p, sizeof p, "/proc/%d/task", pid);
	DIR *d = opendir(p);
	if (!d) return 0;
	struct dirent *e;
	while ((e = readdir(d))) {
		if (!isdigit((unsigned char)e->d_name[0])) continue;
		snprintf(p, sizeof p, "/proc/%d/task/%.20s/schedstat", pid, e->d_name);
		FILE *f = fopen(p, "r");
		double v = 0;
		if (f) { if (fscanf(f, "%lf", &v) == 1) sum += v; fclose(f); }
	}
	closedir(d);
	return sum;
}

/* seconds of CPU used so far by the given processes and all descendants */
static double tree_cpu(void)
{
	static int pid[65536], ppid[65536];
	static char in[65536];
	int n = 0;
	if (!npids) return 0;
	DIR *d = opendir("/proc");
	if (!d) return 0;
	struct dirent *e;
	while ((e = readdir(d)) && n < 65536) {
		if (!isdigit((unsigned char)e->d_name[0])) continue;
		char p[64], line[512];
		snprintf(p, sizeof p, "/proc/%.20s/stat", e->d_name);
		FILE *f = fopen(p, "r");
		if (!f) continue;
		if (fgets(line, sizeof line, f)) {
			char *q = strrchr(line, ')');
			int pp = 0;
			if (q && sscanf(q + 1, " %*c %d", &pp) == 1) {
				pid[n] = atoi(e->d_name); ppid[n] = pp; in[n] = 0;
				for (int i = 0; i < npids; i++) if (pids[i] == pid[n]) in[n] = 1;
				n++;
			}
		}
		fclose(f);
	}
	closedir(d);
	for (int grown = 1; grown;) {
		grown = 0;
		for (int i = 0; i < n; i++) {
			if (in[i]) continue;
			for (int j = 0; j < n; j++)
				if (in[j] && pid[j] == ppid[i]) { in[i] = 1; grown = 1; break; }
		}
	}
	double s = 0;
	for (int i = 0; i < n; i++) if (in[i]) s += proc_cpu_ns(pid[i]);
	return s / 1e9;
}

/* --------------------------------------------------------------- sockets */
struct sock {
	int fd;
	int n;                                  /* datagrams queued to send */
	struct mmsghdr mh[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_in to[BATCH];
	char buf[BATCH][MAXMSG];
};
static struct sock *uac[MAXPORTS], *uas;
static struct sockaddr_in target;
static struct mmsghdr rmh[BATCH];
static struct iovec riov[BATCH];
static struct sockaddr_in rfrom[BATCH];
static char rbuf[BATCH][65536];

static struct sock *sock_new(int port)
{
	struct sock *s = calloc(1, sizeof *s);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int v = 8 << 20;
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (setsockopt(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, &v, sizeof v))
		setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &v, sizeof v);
	if (bind(s->fd, (struct sockaddr *)&a, sizeof a)) die("bind %d: %s", port, strerror(errno));
	for (int i = 0; i < BATCH; i++) {
		s->iov[i].iov_base = s->buf[i];
		s->mh[i].msg_hdr.msg_iov = &s->iov[i];
		s->mh[i].msg_hdr.msg_iovlen = 1;
		s->mh[i].msg_hdr.msg_name = &s->to[i];
		s->mh[i].msg_hdr.msg_namelen = sizeof s->to[i];
	}
	return s;
}
static void sock_flush(struct sock *s)
{
	int done = 0;
	while (done < s->n) {
		int r = sendmmsg(s->fd, s->mh + done, (unsigned)(s->n - done), 0);
		if (r > 0) { done += r; continue; }
		if (errno == EAGAIN || errno == ENOBUFS) {
			struct pollfd p = {s->fd, POLLOUT, 0};
			poll(&p, 1, 1);
		} else if (errno == ECONNREFUSED || errno == EINTR) {
			continue;
		} else die("sendmmsg: %s", strerror(errno));
	}
	s->n = 0;
}
static char *sock_room(struct sock *s)
{
	if (s->n == BATCH) sock_flush(s);
	return s->buf[s->n];
}
static void sock_put(struct sock *s, size_t len, const struct sockaddr_in *to)
{
	s->iov[s->n].iov_len = len;
	s->to[s->n] = *to;
	s->n++;
}

/* ------------------------------------------------------------- templates */
/* {S} slot {Q} sequence (8 hex digits each), {U} {V} users (6 digits),
 * {C} CSeq (10 digits), {P} local port, {A} agent's port, {D} domain,
 * {R} run id, {B} padding body, {I} notifications asked for, {X} free text */
struct vars { uint32_t slot, seq, u, v, cseq; int port; const char *x; };
static char body_pad[2048];

static char *put_hex8(char *p, uint32_t v)
{
	for (int i = 28; i >= 0; i -= 4) *p++ = "0123456789abcdef"[(v >> i) & 15];
	return p;
}
static char *put_dec(char *p, uint32_t v, int w)
{
	for (int i = w - 1; i >= 0; i--) { p[i] = (char)('0' + v % 10); v /= 10; }
	return p + w;
}
static size_t render(char *out, const char *t, const struct vars *v)
{
	char *p = out;
	for (;;) {
		const char *q = strchrnul(t, '{');
		memcpy(p, t, (size_t)(q - t));
		p += q - t;
		if (!*q) break;
		const char *s = NULL;
		switch (q[1]) {
		case 'S': p = put_hex8(p, v->slot); break;
		case 'Q': p = put_hex8(p, v->seq); break;
		case 'U': p = put_dec(p, v->u, 6); break;
		case 'V': p = put_dec(p, v->v, 6); break;
		case 'C': p = put_dec(p, v->cseq, 10); break;
		case 'P': p = put_dec(p, (uint32_t)v->port, 4); break;
		case 'A': p = put_dec(p, (uint32_t)(o_port + 90), 4); break;
		case 'D': s = o_domain; break;
		case 'R': s = run_id; break;
		case 'B': s = body_pad; break;
		case 'I': s = o_cpim; break;
		case 'X': s = v->x; break;
		default: die("bad template");
		}
		if (s) p = stpcpy(p, s);
		t = q + 3;
	}
	/* fill in the length of the body: five spaces reserved after the name */
	char *b = memmem(out, (size_t)(p - out), "\r\n\r\n", 4);
	char *l = b ? memmem(out, (size_t)(b - out), "Content-Length:      ", 21) : NULL;
	if (l) {
		uint32_t n = (uint32_t)(p - b - 4);
		char *d = l + 21;
		do { *--d = (char)('0' + n % 10); n /= 10; } while (n);
	}
	return (size_t)(p - out);
}

#define VIA "Via: SIP/2.0/UDP 127.0.0.1:{P};branch=z9hG4bK-sl-{S}-{Q};rport\r\nMax-Forwards: 70\r\n"
#define MESSAGE_HEAD \
"MESSAGE sip:u{V}@{D} SIP/2.0\r\n" VIA \
"From: \"User {U}\" <sip:u{U}@{D}>;tag=f{S}{Q}\r\n" \
"To: <sip:u{V}@{D}>\r\n" \
"Call-ID: {S}-{Q}-{R}@127.0.0.1\r\n" \
"CSeq: {C} MESSAGE\r\n" \
"{X}" \
"P-Preferred-Identity: <sip:u{U}@{D}>\r\n" \
"P-Access-Network-Info: 3GPP-E-UTRAN-FDD; utran-cell-id-3gpp=0010100010019B01\r\n" \
"User-Agent: bench-client/1.0 (IMS; pager)\r\n" \
"Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, NOTIFY\r\n"
static const char T_MESSAGE[] = MESSAGE_HEAD
"Content-Type: text/plain;charset=UTF-8\r\n"
"Content-Length:      \r\n\r\n{B}";
static const char T_CPIM[] = MESSAGE_HEAD
"Content-Type: message/cpim\r\n"
"Content-Length:      \r\n\r\n"
"From: <sip:u{U}@{D}>\r\n"
"To: <sip:u{V}@{D}>\r\n"
"NS: imdn <urn:ietf:params:imdn>\r\n"
"imdn.Message-ID: {S}{Q}{R}\r\n"
"DateTime: 2026-11-23T12:00:00Z\r\n"
"imdn.Disposition-Notification: {I}\r\n"
"\r\n"
"Content-Type: text/plain;charset=UTF-8\r\n\r\n{B}";
static const char T_REGISTER[] =
"REGISTER sip:{D} SIP/2.0\r\n" VIA
"From: <sip:u{U}@{D}>;tag=r{S}{Q}\r\n"
"To: <sip:u{U}@{D}>\r\n"
"Call-ID: reg-{U}-{R}@127.0.0.1\r\n"
"CSeq: {C} REGISTER\r\n"
"Contact: <sip:u{U}@127.0.0.1:{A}>;expires=3600;+sip.instance=\"<urn:gsma:imei:35332506-{U}-0>\";"
"+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.msg,urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.session\";+g.oma.sip-im\r\n"
"{X}"
"Expires: 3600\r\n"
"P-Access-Network-Info: 3GPP-E-UTRAN-FDD; utran-cell-id-3gpp=0010100010019B01\r\n"
"User-Agent: bench-client/1.0 (IMS; pager)\r\n"
"Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, NOTIFY\r\n"
"Supported: path, gruu, outbound\r\n"
"Content-Length:     0\r\n\r\n";
static const char T_SUBSCRIBE[] =
"SUBSCRIBE sip:p{V}@{D} SIP/2.0\r\n" VIA
"From: <sip:w{V}-{U}@{D}>;tag=w{V}{U}\r\n"
"To: <sip:p{V}@{D}>\r\n"
"Call-ID: sub-{V}-{U}-{R}@127.0.0.1\r\n"
"CSeq: 1 SUBSCRIBE\r\n"
"Contact: <sip:w{V}-{U}@127.0.0.1:{A}>\r\n"
"Event: presence\r\nAccept: application/pidf+xml\r\nExpires: 3600\r\n"
"User-Agent: bench-client/1.0 (IMS; pager)\r\n"
"Content-Length:     0\r\n\r\n";
static const char T_PUBLISH[] =
"PUBLISH sip:p{V}@{D} SIP/2.0\r\n" VIA
"From: <sip:p{V}@{D}>;tag=p{S}{Q}\r\n"
"To: <sip:p{V}@{D}>\r\n"
"Call-ID: pub-{S}-{Q}-{R}@127.0.0.1\r\n"
"CSeq: 1 PUBLISH\r\n"
"Event: presence\r\nExpires: 3600\r\n{X}"
"P-Preferred-Identity: <sip:p{V}@{D}>\r\n"
"User-Agent: bench-client/1.0 (IMS; pager)\r\n"
"Content-Type: application/pidf+xml\r\n"
"Content-Length:      \r\n\r\n"
"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"
"<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:op=\"urn:oma:xml:prs:pidf:oma-pres\" "
"xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" entity=\"sip:p{V}@{D}\">\r\n"
"<tuple id=\"a1{V}\"><status><basic>open</basic></status>"
"<op:service-description><op:service-id>org.openmobilealliance:IM-Session</op:service-id>"
"<op:version>1.0</op:version></op:service-description>"
"<contact>sip:p{V}@{D}</contact><note>update {Q}</note></tuple>\r\n"
"<dm:person id=\"p1\"><dm:note>at the desk</dm:note></dm:person>\r\n</presence>\r\n";

/* ------------------------------------------------------------------ slots */
struct slot {
	uint32_t seq, user, peer;
	int busy, phase, sock, tries;
	uint64_t first, sent;
	size_t len;
	char msg[MAXMSG];
	char etag[128];
	int got200, notes;
};
static struct slot *slots;
static uint64_t done, failed, retrans, badreply, uas_requests;
static int last_status;
static uint32_t *watch_cseq;
static uint32_t cseq = 1;
enum mode { ECHO, MESSAGE, REGISTER, OFFLINE, SUBSCRIBE, PUBLISH };
static enum mode mode;
static uint32_t work_next, work_total;          /* bounded work, 0 = endless */
static int stopping;
static uint32_t rngs = 12345;
static uint32_t rng(void) { rngs = rngs * 1664525u + 1013904223u; return rngs >> 8; }

/* latency histogram: 64 buckets for each power of two of microseconds */
static uint64_t hist[32][64];
static void hist_add(uint64_t ns)
{
	uint64_t us = ns / 1000;
	int b = us < 64 ? 0 : 58 - __builtin_clzll(us);
	if (b > 31) b = 31;
	hist[b][(us >> b) & 63]++;
}
static double hist_pct(double q)
{
	uint64_t tot = 0, c = 0;
	for (int i = 0; i < 32; i++) for (int j = 0; j < 64; j++) tot += hist[i][j];
	for (int i = 0; i < 32; i++)
		for (int j = 0; j < 64; j++)
			if ((c += hist[i][j]) >= q * (double)tot && hist[i][j]) return (double)((uint64_t)j << i);
	return 0;
}

static void slot_send(int i)
{
	struct slot *s = &slots[i];
	struct sock *k = uac[s->sock];
	memcpy(sock_room(k), s->msg, s->len);
	sock_put(k, s->len, &target);
	s->sent = now_ns();
}

static void slot_start(int i, const char *auth)
{
	struct slot *s = &slots[i];
	static uint32_t gseq;
	if (!auth) {
		if (stopping || (work_total && work_next >= work_total)) { s->busy = 0; return; }
		s->first = now_ns();
		s->phase = 0;
		s->tries = 0;
	}
	s->busy = 1;
	s->seq = ++gseq;
	s->sock = i % o_ports;
	struct vars v = {(uint32_t)i, s->seq, 0, 0, ++cseq, o_port + s->sock, auth ? auth : ""};
	switch (mode) {
	case ECHO:
		memset(s->msg, 'x', 600);
		put_hex8(s->msg, (uint32_t)i);
		put_hex8(s->msg + 8, s->seq);
		s->len = 600;
		break;
	case MESSAGE:
		if (!auth) { s->user = rng() % (uint32_t)o_users; s->peer = rng() % (uint32_t)o_users; }
		v.u = s->user;
		v.v = s->peer;
		s->len = render(s->msg, o_cpim ? T_CPIM : T_MESSAGE, &v);
		break;
	case OFFLINE:
		if (!auth) {
			s->user = rng() % (uint32_t)o_users;
			s->peer = (uint32_t)o_offbase + rng() % (uint32_t)o_users;
		}
		v.u = s->user;
		v.v = s->peer;
		s->len = render(s->msg, o_cpim ? T_CPIM : T_MESSAGE, &v);
		break;
	case REGISTER:
		if (!auth) s->user = work_total ? work_next : rng() % (uint32_t)o_users;
		v.u = s->user;
		s->len = render(s->msg, T_REGISTER, &v);
		break;
	case SUBSCRIBE:
		v.v = work_next / (uint32_t)o_watchers;
		v.u = work_next % (uint32_t)o_watchers;
		s->len = render(s->msg, T_SUBSCRIBE, &v);
		break;
	case PUBLISH: {
		char x[200] = "";
		if (s->etag[0]) snprintf(x, sizeof x, "SIP-If-Match: %s\r\n", s->etag);
		v.v = (uint32_t)i;
		v.x = x;
		s->got200 = s->notes = 0;
		s->len = render(s->msg, T_PUBLISH, &v);
		break;
	}
	}
	if (!auth) work_next++;
	slot_send(i);
}

static void slot_done(int i, int ok)
{
	struct slot *s = &slots[i];
	if (ok) { done++; hist_add(now_ns() - s->first); } else failed++;
	s->busy = 0;
	if (o_rate <= 0 || work_total) slot_start(i, NULL);
}

/* open loop: start what is due; a free slot is always there unless the server is late */
static void paced(uint64_t t)
{
	static uint64_t last;
	static double due;
	static int next;
	if (o_rate <= 0 || work_total || stopping) { last = t; return; }
	due += (double)(t - last) / 1e9 * o_rate;
	last = t;
	if (due > 64) due = 64;
	for (int n = 0; due >= 1 && n < o_window; n++) {
		int i = next;
		next = (next + 1) % o_window;
		if (slots[i].busy) continue;
		slot_start(i, NULL);
		due -= 1;
	}
	for (int k = 0; k < o_ports; k++) if (uac[k]->n) sock_flush(uac[k]);
}

/* ------------------------------------------------------- reading messages */
static int hexv(const char *p, uint32_t *v)
{
	uint32_t r = 0;
	for (int i = 0; i < 8; i++) {
		int c = p[i];
		if (c >= '0' && c <= '9') c -= '0';
		else if (c >= 'a' && c <= 'f') c -= 'a' - 10;
		else return 0;
		r = r << 4 | (uint32_t)c;
	}
	*v = r;
	return 1;
}
/* copy of name="value" or name=value inside a header line */
static int param(const char *l, const char *name, char *out, size_t cap)
{
	size_t nl = strlen(name);
	const char *e = strpbrk(l, "\r\n");
	for (const char *p = l; (p = strcasestr(p, name)); p += nl) {
		if (e && p > e) return 0;
		if (p[nl] != '=' || (p > l && isalnum((unsigned char)p[-1]))) continue;
		p += nl + 1;
		size_t n;
		if (*p == '"') { p++; n = strcspn(p, "\"\r\n"); }
		else n = strcspn(p, ", ;\r\n");
		if (n >= cap) n = cap - 1;
		memcpy(out, p, n);
		out[n] = 0;
		return 1;
	}
	return 0;
}

static void on_reply(char *m, size_t len)
{
	uint32_t sl, sq;
	m[len] = 0;
	if (mode == ECHO) {
		if (len == 600 && hexv(m, &sl) && hexv(m + 8, &sq) && sl < (uint32_t)o_window &&
		    slots[sl].busy && slots[sl].seq == sq) slot_done((int)sl, 1);
		return;
	}
	if (len < 16 || memcmp(m, "SIP/2.0 ", 8)) { badreply++; return; }
	int st = atoi(m + 8);
	char *b = memmem(m, len, "z9hG4bK-sl-", 11);
	if (!b || !hexv(b + 11, &sl) || !hexv(b + 20, &sq) || sl >= (uint32_t)o_window) { badreply++; return; }
	struct slot *s = &slots[sl];
	if (!s->busy || s->seq != sq || st < 200) return;
	last_status = st;
	if ((mode == REGISTER || (o_digest && (mode == MESSAGE || mode == OFFLINE))) &&
	    (st == 401 || st == 407) && s->phase == 0) {
		char uri[160];
		char realm[128] = "", nonce[256] = "", qop[32] = "", opq[128] = "", ha1[33], ha2[33], rsp[33], hdr[1200];
		char *l = strcasestr(m, st == 401 ? "\nWWW-Authenticate:" : "\nProxy-Authenticate:");
		if (!l) { badreply++; slot_done((int)sl, 0); return; }
		l++;
		param(l, "realm", realm, sizeof realm);
		param(l, "nonce", nonce, sizeof nonce);
		int hq = param(l, "qop", qop, sizeof qop), ho = param(l, "opaque", opq, sizeof opq);
		md5_hex(ha1, "u%06u:%s:%s", s->user, realm, o_password);
		if (mode == REGISTER) snprintf(uri, sizeof uri, "sip:%s", o_domain);
		else snprintf(uri, sizeof uri, "sip:u%06u@%s", s->peer, o_domain);
		md5_hex(ha2, "%s:%s", mode == REGISTER ? "REGISTER" : "MESSAGE", uri);
		if (hq) md5_hex(rsp, "%s:%s:00000001:5ca1ab1e:auth:%s", ha1, nonce, ha2);
		else md5_hex(rsp, "%s:%s:%s", ha1, nonce, ha2);
		snprintf(hdr, sizeof hdr,
			"%s: Digest username=\"u%06u\",realm=\"%s\",nonce=\"%s\",uri=\"%s\",response=\"%s\",algorithm=MD5%s%s%s%s\r\n",
			st == 401 ? "Authorization" : "Proxy-Authorization", s->user, realm, nonce, uri, rsp,
			hq ? ",qop=auth,nc=00000001,cnonce=\"5ca1ab1e\"" : "", ho ? ",opaque=\"" : "", ho ? opq : "", ho ? "\"" : "");
		s->phase = 1;
		slot_start((int)sl, hdr);
		return;
	}
	if (st >= 300) { slot_done((int)sl, 0); return; }
	if (mode == PUBLISH) {
		char *l = strcasestr(m, "\nSIP-ETag:");
		if (l) {
			l += 10;
			while (*l == ' ') l++;
			size_t n = strcspn(l, " \r\n");
			if (n >= sizeof s->etag) n = sizeof s->etag - 1;
			memcpy(s->etag, l, n);
			s->etag[n] = 0;
		}
		s->got200 = 1;
		if (s->notes >= o_watchers) slot_done((int)sl, 1);
		return;
	}
	slot_done((int)sl, 1);
}

/* the receiving agent: answer every request with 200 */
static void on_request(char *m, size_t len, const struct sockaddr_in *from)
{
	m[len] = 0;
	if (!memcmp(m, "SIP/2.0 ", 8)) { badreply++; return; }
	char *o = sock_room(uas), *p = stpcpy(o, "SIP/2.0 200 OK\r\n");
	char *l = memchr(m, '\n', len), *end = m + len;
	uint32_t cs = 0;
	while (l && ++l < end) {
		char *e = memchr(l, '\n', (size_t)(end - l));
		if (!e || e - l <= 1) break;
		char *c = memchr(l, ':', (size_t)(e - l));
		if (!c) break;
		size_t n = (size_t)(c - l);
		while (n && (l[n - 1] == ' ' || l[n - 1] == '\t')) n--;
		int take = 0, to = 0;
		char k = (char)(l[0] | 32);
		if (n == 1) { take = k == 'v' || k == 'f' || k == 't' || k == 'i'; to = k == 't'; }
		else if (k == 'v' && n == 3 && !strncasecmp(l, "Via", 3)) take = 1;
		else if (k == 'f' && n == 4 && !strncasecmp(l, "From", 4)) take = 1;
		else if (k == 't' && n == 2) take = to = 1;
		else if (k == 'c' && n == 7 && !strncasecmp(l, "Call-ID", 7)) take = 1;
		else if (k == 'c' && n == 4 && !strncasecmp(l, "CSeq", 4)) {
			take = 1;
			cs = (uint32_t)strtoul(c + 1, NULL, 10);
		}
		if (take && p + (e - l) + 64 < o + MAXMSG) {
			size_t ll = (size_t)(e - l) - (e[-1] == '\r');
			memcpy(p, l, ll);
			p += ll;
			if (to && !memmem(l, ll, ";tag=", 5)) p = stpcpy(p, ";tag=uas1");
			p = stpcpy(p, "\r\n");
		}
		l = e;
	}
	p = stpcpy(p, "Content-Length: 0\r\n\r\n");
	sock_put(uas, (size_t)(p - o), from);
	uas_requests++;
	if (mode >= SUBSCRIBE && !memcmp(m, "NOTIFY sip:w", 12)) {
		uint32_t pr = (uint32_t)atoi(m + 12), w = (uint32_t)atoi(m + 19);
		if (pr >= (uint32_t)o_window || w >= (uint32_t)o_watchers) { badreply++; return; }
		uint32_t *last = &watch_cseq[pr * (uint32_t)o_watchers + w];
		if (cs <= *last) { retrans++; return; }
		*last = cs;
		struct slot *s = &slots[pr];
		if (mode == PUBLISH && s->busy) {
			s->notes++;
			if (s->got200 && s->notes >= o_watchers) slot_done((int)pr, 1);
		}
	}
}

/* one pass over all sockets; returns the number of datagrams read */
static int turn(void)
{
	int got = 0;
	for (int k = 0; k <= o_ports; k++) {
		struct sock *s = k == o_ports ? uas : uac[k];
		for (int i = 0; i < BATCH; i++) rmh[i].msg_hdr.msg_namelen = sizeof rfrom[i];
		int n = recvmmsg(s->fd, rmh, BATCH, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++) {
			if (k == o_ports) on_request(rbuf[i], rmh[i].msg_len, &rfrom[i]);
			else on_reply(rbuf[i], rmh[i].msg_len);
		}
		if (n > 0) got += n;
	}
	for (int k = 0; k < o_ports; k++) if (uac[k]->n) sock_flush(uac[k]);
	if (uas->n) sock_flush(uas);
	return got;
}

static void timers(void)
{
	uint64_t t = now_ns();
	for (int i = 0; i < o_window; i++) {
		struct slot *s = &slots[i];
		if (!s->busy) continue;
		uint64_t wait = 500000000ull << (s->tries > 3 ? 3 : s->tries);
		if (t - s->sent < wait) continue;
		if (++s->tries > 6) { last_status = 0; slot_done(i, 0); continue; }
		retrans++;
		slot_send(i);
	}
}

static int busy(void)
{
	int n = 0;
	for (int i = 0; i < o_window; i++) n += slots[i].busy;
	return n;
}

/* run until the time is over (or, with bounded work, until it is done) */
static void pump(double seconds)
{
	uint64_t t0 = now_ns(), end = t0 + (uint64_t)(seconds * 1e9), nextt = t0;
	struct pollfd pf[MAXPORTS + 1];
	for (int k = 0; k < o_ports; k++) { pf[k].fd = uac[k]->fd; pf[k].events = POLLIN; }
	pf[o_ports].fd = uas->fd;
	pf[o_ports].events = POLLIN;
	for (;;) {
		int g = turn();
		uint64_t t = now_ns();
		if (t >= end || ((work_total || stopping) && !busy())) return;
		if (t >= nextt) { timers(); nextt = t + 20000000; }
		paced(t);
		if (!g) poll(pf, (nfds_t)o_ports + 1, o_rate > 0 ? 1 : 10);
	}
}
static void start_all(void) { if (o_rate <= 0 || work_total) for (int i = 0; i < o_window; i++) if (!slots[i].busy) slot_start(i, NULL); }

static void drain(void) { stopping = 1; pump(8); stopping = 0; }

static double prepared;                         /* seconds that registering or subscribing took */

static void bounded(enum mode m, uint32_t total, const char *what)
{
	mode = m;
	done = failed = 0;
	work_next = 0;
	work_total = total;
	uint64_t t0 = now_ns();
	start_all();
	pump(60 + total / 500);
	prepared = (double)(now_ns() - t0) / 1e9;
	work_total = 0;
	if (done < total) die("%s: only %llu of %u succeeded, last status %d", what, (unsigned long long)done, total, last_status);
}

int main(int argc, char **argv)
{
	static const struct option lo[] = {
		{"target", 1, 0, 't'}, {"scenario", 1, 0, 's'}, {"port", 1, 0, 'p'}, {"ports", 1, 0, 'n'},
		{"window", 1, 0, 'w'}, {"users", 1, 0, 'u'}, {"watchers", 1, 0, 'W'}, {"body", 1, 0, 'b'},
		{"warmup", 1, 0, 'm'}, {"duration", 1, 0, 'd'}, {"pid", 1, 0, 'P'}, {"domain", 1, 0, 'D'},
		{"password", 1, 0, 'x'}, {"no-register", 0, 0, 'N'}, {"offline-base", 1, 0, 'O'}, {"digest", 0, 0, 'D' + 128}, {"rate", 1, 0, 'R'}, {"cpim", 1, 0, 'C'}, {"help", 0, 0, 'h'}, {0}};
	int c;
	while ((c = getopt_long(argc, argv, "", lo, NULL)) != -1) switch (c) {
		case 't': o_target = optarg; break;
		case 's': o_scenario = optarg; break;
		case 'p': o_port = atoi(optarg); break;
		case 'n': o_ports = atoi(optarg); break;
		case 'w': o_window = atoi(optarg); break;
		case 'u': o_users = atoi(optarg); break;
		case 'W': o_watchers = atoi(optarg); break;
		case 'b': o_body = atoi(optarg); break;
		case 'm': o_warmup = atof(optarg); break;
		case 'd': o_duration = atof(optarg); break;
		case 'D': o_domain = optarg; break;
		case 'x': o_password = optarg; break;
		case 'N': o_noreg = 1; break;
		case 'D' + 128: o_digest = 1; break;
		case 'R': o_rate = atof(optarg); break;
		case 'C': o_cpim = optarg; break;
		case 'O': o_offbase = atoi(optarg); break;
		case 'P':
			for (char *q = strtok(optarg, ","); q && npids < MAXPIDS; q = strtok(NULL, ",")) pids[npids++] = atoi(q);
			break;
		default:
			fprintf(stderr,
"usage: sipload --target HOST:PORT --scenario echo|forward|relay|register|offline|presence\n"
"  --window N      outstanding transactions (presence: number of presentities)   [64]\n"
"  --warmup S --duration S  both 0: no more than what goes before                [1, 4]\n"
"  --users N --watchers N --body BYTES                                           [1000, 100, 160]\n"
"  --port N        first sending port (4 digits); the receiving agent is N+90    [7800]\n"
"  --ports N       sending ports to spread over                                  [1]\n"
"  --pid P[,P...]  charge the CPU time of these processes and their descendants\n"
"  --domain D --password X                                                       [ims.test, secret]\n"
"  --no-register   relay: do not register the users first\n"
"  --rate N        start N transactions a second, spread over milliseconds, not one per answer\n"
"  --digest        relay, offline: answer a challenge to every MESSAGE with credentials\n"
"  --cpim LIST     relay, offline: message/cpim that asks for these notifications (RFC 5438)\n"
"  --offline-base N  offline: number of the first user without a binding         [500000]\n");
			return c == 'h' ? 0 : 2;
	}
	if (o_ports < 1 || o_ports > MAXPORTS || o_window < 1 || o_window > 65535 || o_body > 1500 || o_port > 9900 || o_port < 1024)
		die("option out of range");
	char host[64];
	const char *col = strrchr(o_target, ':');
	if (!col || (size_t)(col - o_target) >= sizeof host) die("--target HOST:PORT");
	memcpy(host, o_target, (size_t)(col - o_target));
	host[col - o_target] = 0;
	target.sin_family = AF_INET;
	target.sin_port = htons((uint16_t)atoi(col + 1));
	if (inet_pton(AF_INET, host, &target.sin_addr) != 1) die("--target wants an IPv4 address");
	snprintf(run_id, sizeof run_id, "%08x", (unsigned)(now_ns() ^ (uint64_t)getpid() << 20));
	for (int i = 0; i < o_body; i++) body_pad[i] = "lorem ipsum dolor sit amet, "[i % 28];
	for (int i = 0; i < BATCH; i++) {
		riov[i].iov_base = rbuf[i];
		riov[i].iov_len = sizeof rbuf[i] - 1;
		rmh[i].msg_hdr.msg_iov = &riov[i];
		rmh[i].msg_hdr.msg_iovlen = 1;
		rmh[i].msg_hdr.msg_name = &rfrom[i];
	}
	for (int i = 0; i < o_ports; i++) uac[i] = sock_new(o_port + i);
	uas = sock_new(o_port + 90);
	slots = calloc((size_t)o_window, sizeof *slots);
	watch_cseq = calloc((size_t)o_window * (size_t)o_watchers + 1, sizeof *watch_cseq);
	rngs = (uint32_t)now_ns();

	enum mode m;
	if (!strcmp(o_scenario, "echo")) m = ECHO;
	else if (!strcmp(o_scenario, "forward")) m = MESSAGE;
	else if (!strcmp(o_scenario, "relay")) m = MESSAGE;
	else if (!strcmp(o_scenario, "register")) m = REGISTER;
	else if (!strcmp(o_scenario, "offline")) m = OFFLINE;
	else if (!strcmp(o_scenario, "presence")) m = PUBLISH;
	else die("unknown scenario %s", o_scenario);

	if (!strcmp(o_scenario, "relay") && !o_noreg) bounded(REGISTER, (uint32_t)o_users, "registering users");
	if (m == PUBLISH) bounded(SUBSCRIBE, (uint32_t)(o_window * o_watchers), "subscribing watchers");
	mode = m;
	if (m == PUBLISH) pump(0.3);
	failed = done = retrans = badreply = 0;
	if (o_warmup + o_duration > 0) start_all();
	pump(o_warmup);
	memset(hist, 0, sizeof hist);
	uint64_t d0 = done, f0 = failed, r0 = retrans, t0 = now_ns();
	double c0 = tree_cpu();
	pump(o_duration);
	double c1 = tree_cpu();
	uint64_t d1 = done, t1 = now_ns();
	double el = (double)(t1 - t0) / 1e9, cpu = c1 - c0, n = (double)(d1 - d0);
	double msgs = m == PUBLISH ? n * o_watchers : n;
	uint64_t f1 = failed, r1 = retrans;
	double p50 = hist_pct(.5), p99 = hist_pct(.99);
	drain();
	printf("{\"scenario\":\"%s\",\"window\":%d,\"completed\":%.0f,\"units\":%.0f,\"seconds\":%.3f,\"per_second\":%.0f,"
	       "\"server_cpu_s\":%.3f,\"per_cpu_s\":%.0f,\"us_cpu_each\":%.3f,\"failed\":%llu,\"retransmits\":%llu,"
	       "\"bad\":%llu,\"last_status\":%d,\"p50_us\":%.0f,\"p99_us\":%.0f,\"prepared_s\":%.3f}\n",
	       o_scenario, o_window, n, msgs, el, msgs / el, cpu, cpu > 0 ? msgs / cpu : 0, msgs > 0 ? cpu / msgs * 1e6 : 0,
	       (unsigned long long)(f1 - f0), (unsigned long long)(r1 - r0), (unsigned long long)badreply, last_status, p50, p99,
	       prepared);
	return 0;
}
