/* SPDX-License-Identifier: MIT
 * Shared memory of the emulated block, and atomics. GS_SHARED and GS_SHARED_DYNAMIC declare arrays
 * in both builds; here they are of pointer<T>, whose elements note who touches them. `auto x =
 * a[i]` would name the element, not copy it: kernels write the type.
 *
 * A fault: an index out of its array, and a race: two threads touch one byte, at least one writes,
 * not both atomically, with no barrier between (__syncthreads, or a __syncwarp of the whole warp
 * when both are of that warp). A fresh block's memory is filled with a pattern, not with zeros.
 */
#ifndef GS_SIMT_SHARED_H
#define GS_SIMT_SHARED_H

namespace gs
{
namespace simt
{
enum class access { read, write, atomic };
struct area; /* one array of the block: bytes, and who touched them */
area *static_area(const void *key, size_t bytes);
area *dynamic_area();
/* Notes the access; the bytes. */
void *touch(area *a, ptrdiff_t off, size_t bytes, access how);

template <class T> struct identity {
    typedef T type;
};
template <class T> class pointer;

template <class T> class ref
{
    area *a;
    ptrdiff_t off;

    T load(access how) const
    {
        T v;
        memcpy(&v, touch(a, off, sizeof(T), how), sizeof(T));
        return v;
    }

  public:
    ref(area *a_, ptrdiff_t off_) : a(a_), off(off_)
    {
    }
    ref(const ref &) = default;
    operator T() const
    {
        return load(access::read);
    }
    const ref &operator=(T v) const
    {
        memcpy(touch(a, off, sizeof(T), access::write), &v, sizeof(T));
        return *this;
    }
    const ref &operator=(const ref &o) const
    {
        return *this = (T)o;
    }
    const ref &operator+=(T v) const
    {
        return *this = (T)((T) * this + v);
    }
    pointer<T> operator&() const
    {
        return pointer<T>(a, off);
    }
    template <class F> T exchange(F change) const
    {
        T old = load(access::atomic), v = change(old);
        memcpy(touch(a, off, sizeof(T), access::atomic), &v, sizeof(T));
        return old;
    }
};

template <class T> class pointer
{
    area *a;
    ptrdiff_t off;

  public:
    pointer(area *a_, ptrdiff_t off_) : a(a_), off(off_)
    {
    }
    ref<T> operator[](ptrdiff_t i) const
    {
        return ref<T>(a, off + i * (ptrdiff_t)sizeof(T));
    }
    ref<T> operator*() const
    {
        return (*this)[0];
    }
    pointer operator+(ptrdiff_t i) const
    {
        return pointer(a, off + i * (ptrdiff_t)sizeof(T));
    }
};

template <class T, class F> T exchange(pointer<T> p, F change)
{
    T old = (*p).exchange(change);
    maybe_yield();
    return old;
}
template <class T, class F> T exchange(T *p, F change)
{
    T old = *p;
    *p = change(old);
    maybe_yield();
    return old;
}

/* As CUDA has them. uint64_t is none of these types on Linux. */
template <class T> constexpr bool is_atomic_type()
{
    return std::is_same<T, int>::value || std::is_same<T, unsigned>::value ||
           std::is_same<T, unsigned long long>::value;
}
} // namespace simt
} // namespace gs

/* A pointer into shared memory, as a parameter of a device function. */
template <class T> using gs_shared = gs::simt::pointer<T>;

#define GS_SHARED(type, name, count)                                                               \
    static const char name##_key = 0;                                                              \
    const gs_shared<type> name(gs::simt::static_area(&name##_key, (count) * sizeof(type)), 0)
#define GS_SHARED_DYNAMIC(type, name) const gs_shared<type> name(gs::simt::dynamic_area(), 0)

#define GS_SIMT_ATOMIC(name, change)                                                               \
    template <class T> T name(T *p, typename gs::simt::identity<T>::type v)                        \
    {                                                                                              \
        static_assert(gs::simt::is_atomic_type<T>(), #name);                                       \
        return gs::simt::exchange(p, [=](T old) -> T { return change; });                          \
    }                                                                                              \
    template <class T> T name(gs_shared<T> p, typename gs::simt::identity<T>::type v)              \
    {                                                                                              \
        static_assert(gs::simt::is_atomic_type<T>(), #name);                                       \
        return gs::simt::exchange(p, [=](T old) -> T { return change; });                          \
    }
GS_SIMT_ATOMIC(atomicAdd, old + v)
GS_SIMT_ATOMIC(atomicMax, old < v ? v : old)
GS_SIMT_ATOMIC(atomicMin, v < old ? v : old)
GS_SIMT_ATOMIC(atomicOr, old | v)
GS_SIMT_ATOMIC(atomicExch, (void(old), v))

template <class P, class T> T gs_simt_cas(P p, T compare, T v)
{
    static_assert(gs::simt::is_atomic_type<T>(), "atomicCAS");
    return gs::simt::exchange(p, [=](T old) { return old == compare ? v : old; });
}
template <class T>
T atomicCAS(T *p, typename gs::simt::identity<T>::type compare,
            typename gs::simt::identity<T>::type v)
{
    return gs_simt_cas<T *, T>(p, compare, v);
}
template <class T>
T atomicCAS(gs_shared<T> p, typename gs::simt::identity<T>::type compare,
            typename gs::simt::identity<T>::type v)
{
    return gs_simt_cas<gs_shared<T>, T>(p, compare, v);
}

#endif
