#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/worker.h"

static void pair(int ends[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
}

static void an_order_arrives_with_its_descriptor(void **state)
{
    (void)state;
    int ends[2], fd;
    pair(ends);
    int memory = memfd_create("generation", MFD_CLOEXEC);
    assert_int_equal(write(memory, "packed", 6), 6);
    struct order_message sent = {.order = ORDER_LOAD, .id = 7}, got;
    assert_int_equal(order_send(ends[0], &sent, memory), 0);
    close(memory);
    assert_int_equal(order_receive(ends[1], &got, &fd), 1);
    assert_int_equal(got.order, ORDER_LOAD);
    assert_int_equal(got.id, 7);
    char bytes[6];
    assert_int_equal(pread(fd, bytes, 6, 0), 6);
    assert_memory_equal(bytes, "packed", 6);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    close(ends[0]);
    close(ends[1]);
}

static void words_arrive_whole_and_in_order(void **state)
{
    (void)state;
    int ends[2], fd;
    pair(ends);
    struct order_message sent = {.order = ORDER_FAILED, .id = 3}, got;
    strcpy(sent.text, "routes/route.lua:3: no");
    assert_int_equal(order_send(ends[0], &sent, -1), 0);
    sent.order = ORDER_USED;
    assert_int_equal(order_send(ends[0], &sent, -1), 0);
    assert_int_equal(order_receive(ends[1], &got, &fd), 1);
    assert_string_equal(got.text, "routes/route.lua:3: no");
    assert_int_equal(fd, -1);
    assert_int_equal(order_receive(ends[1], &got, &fd), 1);
    assert_int_equal(got.order, ORDER_USED);
    assert_int_equal(order_receive(ends[1], &got, &fd), 0);
    close(ends[0]);
    close(ends[1]);
}

static void the_end_of_the_other_side_is_told(void **state)
{
    (void)state;
    int ends[2], fd;
    pair(ends);
    struct order_message m = {.order = ORDER_DRAIN};
    close(ends[0]);
    assert_int_equal(order_receive(ends[1], &m, &fd), -1);
    assert_int_equal(order_send(ends[1], &m, -1), -1);
    close(ends[1]);
}

static void a_message_of_another_size_is_refused(void **state)
{
    (void)state;
    int ends[2], fd;
    pair(ends);
    struct order_message m;
    assert_int_equal(send(ends[0], "short", 5, 0), 5);
    assert_int_equal(order_receive(ends[1], &m, &fd), -1);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_order_arrives_with_its_descriptor),
        cmocka_unit_test(words_arrive_whole_and_in_order),
        cmocka_unit_test(the_end_of_the_other_side_is_told),
        cmocka_unit_test(a_message_of_another_size_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
