#include <zookeeper/zookeeper.h>

/* A global variable of the library, which nobody changes: anyone may do anything. */
static inline const struct ACL_vector *millrace_zoo_open_acl(void) { return &ZOO_OPEN_ACL_UNSAFE; }
