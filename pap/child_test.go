package pap_test

func child() bool { return false }
