/* The version of this source tree; the build checks that it is CMake's. */
#ifndef FUSOR_VERSION_H
#define FUSOR_VERSION_H

#define FUSOR_VERSION "0.1.0"

#endif
