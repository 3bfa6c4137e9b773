#!/usr/bin/python3
"""A client that knows nothing of Gatehouse but its WSDL: python3-zeep over mutual TLS.

It submits a job, polls it, fetches a file of its sandbox, cancels a second job,
and looks at the typed faults for a refusal and for a job that does not exist.
Prints a line per step; the exit status is 0 only if all went as expected.

  client.py --wsdl https://HOST:8443/services/NAME?wsdl --credential proxy.pem --ca ca.pem \
     --method add --parameter a=1 --parameter b=2 --file result --contains 3 \
     --slow-method add --slow-parameter a=1 --slow-parameter b=2 --slow-parameter seconds=300 \
     --too-much 7000

The credential file holds the certificate, its key and the rest of the chain, as a proxy file does.
"""
import argparse
import os
import sys
import time

for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # they would win over session.verify
    os.environ.pop(name, None)

import requests
import zeep
import zeep.exceptions
import zeep.transports

FINAL = ("done", "failed", "cancelled", "stopped")


def pairs(items):
    return dict(item.split("=", 1) for item in items)


class Client:
    def __init__(self, args):
        self.session = requests.Session()
        self.session.verify = args.ca
        if args.credential:
            self.session.cert = args.credential
        self.client = zeep.Client(args.wsdl, transport=zeep.transports.Transport(session=self.session))
        self.service = self.client.service

    def submit(self, method, parameters, cpu=None):
        if not parameters:  # zeep leaves an empty element out, so a method without parameters is named in a command
            return self.service.submit(requestedCpuTime=cpu, method={"command": {"method": method, "arguments": ""}})
        return self.service.submit(requestedCpuTime=cpu, method={method: parameters})

    def follow(self, session, seconds):
        last, end = None, time.time() + seconds
        while time.time() < end:
            job = self.service.status(session)
            if job.state != last:
                last = job.state
                print("status: %s, %s s of %d s CPU used" % (job.state, job.usedCpuTime, job.grantedCpuTime))
            if job.state in FINAL:
                return job
            time.sleep(0.2)
        sys.exit("job %s is still %s after %d s" % (session, last, seconds))

    def fault(self, kind, call):
        """The typed detail of the fault that call must raise."""
        try:
            answer = call()
        except zeep.exceptions.Fault as fault:
            detail = fault.detail[0]
            name = detail.tag.split("}")[1]
            if name != kind:
                sys.exit("fault: want %s, got %s: %s" % (kind, name, fault.message))
            return fault, self.client.wsdl.types.deserialize(detail)
        sys.exit("fault %s expected, got an answer: %s" % (kind, answer))


def check(condition, message):
    if not condition:
        sys.exit("not as expected: " + message)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--wsdl", required=True)
    parser.add_argument("--credential", help="PEM: certificate, key, chain; absent: anonymous")
    parser.add_argument("--ca", required=True, help="PEM file of the CA of the server")
    parser.add_argument("--method", required=True)
    parser.add_argument("--parameter", action="append", default=[])
    parser.add_argument("--file", default="stdout", help="to fetch from the sandbox")
    parser.add_argument("--contains", action="append", default=[], help="what the file must hold")
    parser.add_argument("--account", help="the account that the job must be granted")
    parser.add_argument("--slow-method", help="a method that can be cancelled while it runs")
    parser.add_argument("--slow-parameter", action="append", default=[])
    parser.add_argument("--too-much", type=int, help="CPU seconds that must be refused")
    args = parser.parse_args()
    client = Client(args)

    job = client.submit(args.method, pairs(args.parameter))
    print("submitted: %s as %s, revision %s" % (job.session, job.account, job.revision))
    check(args.account in (None, job.account), "account %s, want %s" % (job.account, args.account))
    job = client.follow(job.session, 60)
    check(job.state == "done" and job.exitCode == 0, "the job ended as %s: %s" % (job.state, job.reason))

    answer = client.session.get(job.sandbox + args.file)
    check(answer.status_code == 200, "GET %s: %d %s" % (args.file, answer.status_code, answer.text))
    print("fetched: %s: %s" % (args.file, answer.text.strip()))
    for text in args.contains:
        check(text in answer.text, "%s does not hold %r" % (args.file, text))
    if args.credential:
        listed = client.service.list()
        check(job.session in [j.session for j in listed.job], "the job is not in the list")
        print("listed: %d" % len(listed.job))

    if args.slow_method:
        slow = client.submit(args.slow_method, pairs(args.slow_parameter))
        client.service.cancel(slow.session)
        slow = client.follow(slow.session, 60)
        check(slow.state == "cancelled", "the cancelled job is %s" % slow.state)
        print("cancelled: %s" % slow.reason)

    if args.too_much:
        fault, detail = client.fault("refused", lambda: client.submit(args.method, pairs(args.parameter), args.too_much))
        bounds = [" ".join((b.attribute, b.operator, b.value)) for e in detail.enough for b in e.bound]
        print("refused: %s" % fault.message)
        print("typed: decision %s, enough %s" % (detail.decision, "; ".join(bounds) or "nothing"))

    client.service.purge(job.session)
    fault, detail = client.fault("unknownJob", lambda: client.service.status(job.session))
    check(detail.session == job.session, "the fault names %s" % detail.session)
    print("purged: %s" % fault.message)


main()
