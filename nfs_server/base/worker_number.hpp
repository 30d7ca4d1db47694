// A small number for each thread that works, for what is kept apart for each of them: places on a disk, lists of free
// memory. Base layer.
#pragma once

#include <cstddef>

namespace lockstep::server {

// The calling thread's: the lowest that no other thread has, taken at the first call, so that they are as few as the
// threads that work at a time.
std::size_t worker_number();

// The calling thread rests: another may have its number. It takes one again when it next asks. A thread's end does the
// same.
void give_up_worker_number();

}  // namespace lockstep::server
