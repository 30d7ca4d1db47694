// A shared object with compiled properties, opened for a test.
#pragma once

#include <dlfcn.h>

#include <filesystem>
#include <stdexcept>

namespace lockstep::monitors {

class PropertyLibrary {
 public:
    // Throws std::runtime_error when it can't be loaded.
    explicit PropertyLibrary(const std::filesystem::path& file) : handle_(dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)) {
        if (handle_ == nullptr) throw std::runtime_error(dlerror());
    }
    ~PropertyLibrary() { dlclose(handle_); }
    PropertyLibrary(const PropertyLibrary&) = delete;
    PropertyLibrary& operator=(const PropertyLibrary&) = delete;

    // Lives as long as the library. Throws std::runtime_error when there is none.
    template <class Object>
    const Object& symbol(const char* name) const {
        void* const found = dlsym(handle_, name);
        if (found == nullptr) throw std::runtime_error(std::string("there is no symbol ") + name);
        return *static_cast<const Object*>(found);
    }

 private:
    void* handle_;
};

}  // namespace lockstep::monitors
